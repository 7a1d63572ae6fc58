import CMomentumLimit
import Foundation
import Momentum

/// The vectors of a benchmark, all contenders share them: same pages, same first touch.
///
/// Elements are multiples of 2⁻²³ in -1..<1, a function of their index alone, so any of them can be had again without
/// a copy. They are never subnormal, which would be slow, and no number of steps overflows.
final class BenchMemory<Scalar: LimitScalar> {
  let layout: ParameterLayout
  let threads: Int
  let team: EngineTeam
  private var gradientVector: ParameterVector<Scalar>
  private var parameterVector: ParameterVector<Scalar>
  private var velocityVector: ParameterVector<Scalar>?
  private var secondMomentVector: ParameterVector<Scalar>?

  // The addresses of the vectors above, which live as long as they do.
  let gradients: UnsafeMutableBufferPointer<Scalar>
  let parameters: UnsafeMutableBufferPointer<Scalar>
  /// How many times in-place clipping has shortened the gradients since they were filled.
  var shortenings = 0

  init(_ layout: ParameterLayout, threads: Int) throws {
    (self.layout, self.threads) = (layout, threads)
    team = EngineTeam(threads: threads, elements: layout.count)
    gradientVector = try ParameterVector(layout, threads: threads)
    parameterVector = try ParameterVector(layout, threads: threads)
    gradients = gradientVector.withUnsafeMutableBufferPointer { $0 }
    parameters = parameterVector.withUnsafeMutableBufferPointer { $0 }
    fillGradients()
    fillParameters()
  }

  var count: Int { layout.count }

  /// The velocity of the engine's competitors; made when first asked for.
  func velocity() throws -> UnsafeMutableBufferPointer<Scalar> {
    if velocityVector == nil { velocityVector = try ParameterVector(layout, threads: threads) }
    return velocityVector!.withUnsafeMutableBufferPointer { $0 }
  }

  /// Their second moment, likewise.
  func secondMoment() throws -> UnsafeMutableBufferPointer<Scalar> {
    if secondMomentVector == nil { secondMomentVector = try ParameterVector(layout, threads: threads) }
    return secondMomentVector!.withUnsafeMutableBufferPointer { $0 }
  }

  func fillGradients() {
    shortenings = 0
    fill(gradients, Self.gradient)
  }

  func fillParameters() { fill(parameters, Self.parameter) }

  static func gradient(_ index: Int) -> Scalar { element(UInt64(index) &* 2) }
  static func parameter(_ index: Int) -> Scalar { element(UInt64(index) &* 2 &+ 1) }

  /// One round of SplitMix64, from 24 bits to a number.
  @inline(__always)
  private static func element(_ seed: UInt64) -> Scalar {
    var z = seed &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Scalar(Int32(truncatingIfNeeded: z >> 40) &- (1 << 23)) * 0x1p-23
  }

  private func fill(_ buffer: UnsafeMutableBufferPointer<Scalar>, _ element: @Sendable (Int) -> Scalar) {
    nonisolated(unsafe) let buffer = buffer
    team.run { _, share in
      for index in share { buffer[index] = element(index) }
    }
  }

  /// The sum of squares of each tensor's gradients as filled, in Double: plain loops over blocks, the blocks' sums
  /// added with compensation.
  private(set) lazy var squares = sumsOfSquares()

  /// The sum of squares of each tensor's gradients as they are now.
  func sumsOfSquares() -> [Double] {
    layout.tensors.map { tensor in
      Self.sum(of: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(gradients)[tensor.range])) { $0 * $0 }
    }
  }

  /// `Σ term(xᵢ)` with an error of a few units in the last place.
  static func sum(of x: UnsafeBufferPointer<Scalar>, _ term: (Double) -> Double) -> Double {
    var (total, lost) = (0.0, 0.0)
    for start in stride(from: 0, to: x.count, by: 1024) {
      var block = 0.0
      for index in start..<min(start + 1024, x.count) { block += term(Double(x[index])) }
      let sum = total + block
      lost += block - (sum - total)
      total = sum
    }
    return total + lost
  }

  /// Indices worth a look: all of a small vector, else both ends, the ends of tensors and a sample between.
  private(set) lazy var sample: [Int] = {
    if count <= 1 << 20 { return Array(0..<count) }
    var indices = Set((0..<4096).flatMap { [$0, count - 1 - $0] })
    for tensor in layout.tensors where tensor.count > 0 {
      indices.formUnion([tensor.offset, tensor.offset + tensor.count - 1])
    }
    indices.formUnion(stride(from: 0, to: count, by: count / 100_003 + 1))
    return indices.sorted()
  }()
}

extension BenchMemory<Float> {
  /// Sets the gradients to those of vectors in half precision.
  func widenGradients(of vectors: HalfVectors, _ kernel: LimitKernel) {
    let (path, isFloat16) = (kernel.path, vectors.storage == .float16Gradients)
    nonisolated(unsafe) let (narrow, wide) = (vectors.gradientBits.baseAddress!, gradients.baseAddress!)
    team.run { _, share in
      let start = share.lowerBound
      momentum_limit_widen(path, narrow + start, wide + start, share.count, isFloat16)
    }
  }
}
