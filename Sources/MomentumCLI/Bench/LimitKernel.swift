import CMomentumLimit
import Momentum

/// The element types of the hand-fused kernels.
protocol LimitScalar: BLASScalar {
  /// Takes some steps as a client does, who knows the type: generic code of another module would first look it up.
  static func step(
    _ optimizer: inout Optimizer<Self>, _ parameters: UnsafeMutableBufferPointer<Self>,
    _ gradients: UnsafeBufferPointer<Self>, times: Int
  ) throws(MomentumError)

  static func limitSquares(_ path: momentum_limit_path, _ x: UnsafePointer<Self>, _ n: Int) -> Double
  static func limitSquares(
    _ path: momentum_limit_path, _ x: UnsafePointer<Self>, _ n: Int, clampedTo bounds: ClosedRange<Double>
  ) -> Double
  static func limitScale(_ path: momentum_limit_path, _ factor: Double, _ x: UnsafeMutablePointer<Self>, _ n: Int)
  /// - Returns: The sum of squares of the gradients, if `update` asks for it.
  static func limitUpdate(
    _ path: momentum_limit_path, _ update: momentum_limit_update, _ g: UnsafePointer<Self>,
    _ v: UnsafeMutablePointer<Self>?, _ p: UnsafeMutablePointer<Self>, _ n: Int
  ) -> Double
  static func limitAdamW(
    _ path: momentum_limit_path, _ moments: momentum_limit_moments, _ g: UnsafePointer<Self>,
    _ m: UnsafeMutablePointer<Self>, _ s: UnsafeMutablePointer<Self>, _ p: UnsafeMutablePointer<Self>, _ n: Int)
}

extension Float: LimitScalar {
  static func step(
    _ optimizer: inout Optimizer<Float>, _ parameters: UnsafeMutableBufferPointer<Float>,
    _ gradients: UnsafeBufferPointer<Float>, times: Int
  ) throws(MomentumError) {
    for _ in 0..<times { try optimizer.step(parameters: parameters, gradients: gradients) }
  }

  static func limitSquares(_ path: momentum_limit_path, _ x: UnsafePointer<Float>, _ n: Int) -> Double {
    momentum_limit_squares_float(path, x, n)
  }

  static func limitSquares(
    _ path: momentum_limit_path, _ x: UnsafePointer<Float>, _ n: Int, clampedTo bounds: ClosedRange<Double>
  ) -> Double {
    momentum_limit_clamped_squares_float(path, x, n, bounds.lowerBound, bounds.upperBound)
  }

  static func limitScale(_ path: momentum_limit_path, _ factor: Double, _ x: UnsafeMutablePointer<Float>, _ n: Int) {
    momentum_limit_scale_float(path, factor, x, n)
  }

  static func limitUpdate(
    _ path: momentum_limit_path, _ update: momentum_limit_update, _ g: UnsafePointer<Float>,
    _ v: UnsafeMutablePointer<Float>?, _ p: UnsafeMutablePointer<Float>, _ n: Int
  ) -> Double {
    withUnsafePointer(to: update) { momentum_limit_update_float(path, $0, g, v, p, n) }
  }

  static func limitAdamW(
    _ path: momentum_limit_path, _ moments: momentum_limit_moments, _ g: UnsafePointer<Float>,
    _ m: UnsafeMutablePointer<Float>, _ s: UnsafeMutablePointer<Float>, _ p: UnsafeMutablePointer<Float>, _ n: Int
  ) {
    withUnsafePointer(to: moments) { momentum_limit_adamw_float(path, $0, g, m, s, p, n) }
  }
}

extension Double: LimitScalar {
  static func step(
    _ optimizer: inout Optimizer<Double>, _ parameters: UnsafeMutableBufferPointer<Double>,
    _ gradients: UnsafeBufferPointer<Double>, times: Int
  ) throws(MomentumError) {
    for _ in 0..<times { try optimizer.step(parameters: parameters, gradients: gradients) }
  }

  static func limitSquares(_ path: momentum_limit_path, _ x: UnsafePointer<Double>, _ n: Int) -> Double {
    momentum_limit_squares_double(path, x, n)
  }

  static func limitSquares(
    _ path: momentum_limit_path, _ x: UnsafePointer<Double>, _ n: Int, clampedTo bounds: ClosedRange<Double>
  ) -> Double {
    momentum_limit_clamped_squares_double(path, x, n, bounds.lowerBound, bounds.upperBound)
  }

  static func limitScale(_ path: momentum_limit_path, _ factor: Double, _ x: UnsafeMutablePointer<Double>, _ n: Int) {
    momentum_limit_scale_double(path, factor, x, n)
  }

  static func limitUpdate(
    _ path: momentum_limit_path, _ update: momentum_limit_update, _ g: UnsafePointer<Double>,
    _ v: UnsafeMutablePointer<Double>?, _ p: UnsafeMutablePointer<Double>, _ n: Int
  ) -> Double {
    withUnsafePointer(to: update) { momentum_limit_update_double(path, $0, g, v, p, n) }
  }

  static func limitAdamW(
    _ path: momentum_limit_path, _ moments: momentum_limit_moments, _ g: UnsafePointer<Double>,
    _ m: UnsafeMutablePointer<Double>, _ s: UnsafeMutablePointer<Double>, _ p: UnsafeMutablePointer<Double>, _ n: Int
  ) {
    withUnsafePointer(to: moments) { momentum_limit_adamw_double(path, $0, g, m, s, p, n) }
  }
}

/// A choice among the hand-fused kernels, by the instruction set they are written for.
struct LimitKernel: Hashable, Sendable {
  private let rawPath: UInt32

  init(_ path: momentum_limit_path) { rawPath = path.rawValue }

  var path: momentum_limit_path { momentum_limit_path(rawPath) }
  var name: String { String(cString: momentum_limit_name(path)) }

  /// The one with the widest vectors that this processor runs.
  static let best = LimitKernel(momentum_limit_best())

  /// All that this processor runs.
  static let available: [LimitKernel] = (0..<UInt32(MOMENTUM_LIMIT_PATH_COUNT))
    .map { momentum_limit_path($0) }.filter(momentum_limit_available).map(LimitKernel.init)
}
