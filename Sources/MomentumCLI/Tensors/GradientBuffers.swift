import Momentum
import MomentumFiles
import MomentumMPI

/// The gradients of one file in the order of the parameters, `nil` for a parameter without one, in the type that they are
/// stored in.
enum GradientBuffers<Scalar: ParameterScalar> {
  /// That of the parameters.
  case plain([UnsafeBufferPointer<Scalar>?])
  case half(HalfGradients)

  /// The tensors of a file that belong to some parameters.
  ///
  /// - Throws: ``DataFileError`` if the file has a tensor that is no parameter, or of another shape or a type that does not
  ///   go with it.
  init(_ file: TensorFile, of parameters: TensorFile) throws {
    try parameters.check(file)
    let own = parameters.tensors.compactMap { file.file.tensor(named: $0.name) }
    let dtype = own.first?.dtype ?? Scalar.dtype
    if let other = own.first(where: { $0.dtype != dtype }) {
      throw DataFileError(
        file: file.path,
        cause: "tensor '\(other.name)' is of type \(other.dtype.rawValue); expected \(dtype.rawValue) as of tensor "
          + "'\(own[0].name)', or files of gradients of one type each")
    }
    switch dtype {
    case .bf16: self = .half(.bfloat16(try parameters.buffers(in: file, as: BFloat16.self)))
    #if !(os(macOS) && arch(x86_64))
      case .f16: self = .half(.float16(try parameters.buffers(in: file, as: Float16.self)))
    #endif
    default: self = .plain(try parameters.buffers(in: file, as: Scalar.self))
    }
  }

  /// Whether each parameter has a gradient.
  var presence: [Bool] {
    switch self {
    case .plain(let buffers): buffers.map { $0 != nil }
    case .half(.bfloat16(let buffers)): buffers.map { $0 != nil }
    #if !(os(macOS) && arch(x86_64))
      case .half(.float16(let buffers)): buffers.map { $0 != nil }
    #endif
    }
  }

  /// These gradients and those of other parameters, which are of the same type; `nil` if they are of another.
  func joined(with other: GradientBuffers) -> GradientBuffers? {
    switch (self, other) {
    case (.plain(let x), .plain(let y)): .plain(zip(x, y).map { $0 ?? $1 })
    case (.half(.bfloat16(let x)), .half(.bfloat16(let y))): .half(.bfloat16(zip(x, y).map { $0 ?? $1 }))
    #if !(os(macOS) && arch(x86_64))
      case (.half(.float16(let x)), .half(.float16(let y))): .half(.float16(zip(x, y).map { $0 ?? $1 }))
    #endif
    default: nil
    }
  }

  /// The gradients of pieces of the parameters.
  func pieces(_ pieces: [ShardPlan.Piece]) -> GradientBuffers {
    func cut<Element>(_ buffers: [UnsafeBufferPointer<Element>?]) -> [UnsafeBufferPointer<Element>?] {
      pieces.map { piece in buffers[piece.tensor].map { UnsafeBufferPointer(rebasing: $0[piece.range]) } }
    }
    return switch self {
    case .plain(let buffers): .plain(cut(buffers))
    case .half(.bfloat16(let buffers)): .half(.bfloat16(cut(buffers)))
    #if !(os(macOS) && arch(x86_64))
      case .half(.float16(let buffers)): .half(.float16(cut(buffers)))
    #endif
    }
  }
}

/// Gradients in half precision.
enum HalfGradients {
  case bfloat16([UnsafeBufferPointer<BFloat16>?])
  #if !(os(macOS) && arch(x86_64))
    case float16([UnsafeBufferPointer<Float16>?])
  #endif
}

/// A type of parameters. Those of `Float` take gradients in half precision too.
protocol ParameterScalar: BLASScalar, SafetensorsScalar {

  static func step(
    _ optimizer: inout Optimizer<Self>, _ parameters: [UnsafeMutableBufferPointer<Self>], _ gradients: HalfGradients,
    _ exchange: (any NormExchange)?
  ) throws(MomentumError) -> StepReport

  static func add(
    _ gradients: HalfGradients, weight: Double, to sum: inout GradientAccumulator<Self>
  ) throws(MomentumError)
}

extension Float: ParameterScalar {

  static func step(
    _ optimizer: inout Optimizer<Float>, _ parameters: [UnsafeMutableBufferPointer<Float>], _ gradients: HalfGradients,
    _ exchange: (any NormExchange)?
  ) throws(MomentumError) -> StepReport {
    switch gradients {
    case .bfloat16(let gradients): try take(&optimizer, parameters, gradients, exchange)
    #if !(os(macOS) && arch(x86_64))
      case .float16(let gradients): try take(&optimizer, parameters, gradients, exchange)
    #endif
    }
  }

  private static func take<Half: HalfScalar>(
    _ optimizer: inout Optimizer<Float>, _ parameters: [UnsafeMutableBufferPointer<Float>],
    _ gradients: [UnsafeBufferPointer<Half>?], _ exchange: (any NormExchange)?
  ) throws(MomentumError) -> StepReport {
    guard let exchange else { return try optimizer.step(parameters: parameters, gradients: gradients) }
    return try optimizer.step(parameters: parameters, gradients: gradients, exchange: exchange)
  }

  static func add(
    _ gradients: HalfGradients, weight: Double, to sum: inout GradientAccumulator<Float>
  ) throws(MomentumError) {
    switch gradients {
    case .bfloat16(let gradients): try sum.add(gradients, weight: weight)
    #if !(os(macOS) && arch(x86_64))
      case .float16(let gradients): try sum.add(gradients, weight: weight)
    #endif
    }
  }
}

// Files of gradients for parameters of Double are checked: they hold no others.
extension Double: ParameterScalar {

  static func step(
    _ optimizer: inout Optimizer<Double>, _ parameters: [UnsafeMutableBufferPointer<Double>],
    _ gradients: HalfGradients, _ exchange: (any NormExchange)?
  ) throws(MomentumError) -> StepReport { preconditionFailure("parameters of Double take gradients of Double") }

  static func add(
    _ gradients: HalfGradients, weight: Double, to sum: inout GradientAccumulator<Double>
  ) throws(MomentumError) { preconditionFailure("parameters of Double take gradients of Double") }
}

extension SafetensorsDtype {
  /// Whether elements are of half precision.
  var isHalf: Bool { self == .bf16 || self == .f16 }

  /// Whether the engine computes with elements of this type.
  var isNumber: Bool {
    #if os(macOS) && arch(x86_64)
      self == .f32 || self == .f64 || self == .bf16
    #else
      self == .f32 || self == .f64 || isHalf
    #endif
  }
}
