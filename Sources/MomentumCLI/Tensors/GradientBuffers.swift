import Momentum
import MomentumFiles
import MomentumMPI

/// The gradients of one checkpoint in the order of the parameters, `nil` for a parameter without one, in the type that they are
/// stored in.
enum GradientBuffers<Scalar: ParameterScalar> {
  /// That of the parameters.
  case plain([UnsafeBufferPointer<Scalar>?])
  case half(HalfGradients)

  /// The tensors of a checkpoint, which go with the parameters (``CheckpointTensors/check(_:)``), that belong to some of them.
  ///
  /// - Throws: ``DataFileError`` if they are of several types.
  init(_ gradients: CheckpointTensors, of parameters: CheckpointTensors) throws {
    let own = parameters.tensors.compactMap { gradients.place(of: $0.tensor.name) }
    let dtype = own.first?.tensor.dtype ?? Scalar.dtype
    if let other = own.first(where: { $0.tensor.dtype != dtype }) {
      throw DataFileError(
        file: other.file.path,
        cause:
          "tensor '\(other.tensor.name)' is of type \(other.tensor.dtype.rawValue); expected \(dtype.rawValue) as of "
          + "tensor '\(own[0].tensor.name)'")
    }
    switch dtype {
    case .bf16: self = .half(.bfloat16(try parameters.buffers(in: gradients, as: BFloat16.self)))
    #if !(os(macOS) && arch(x86_64))
      case .f16: self = .half(.float16(try parameters.buffers(in: gradients, as: Float16.self)))
    #endif
    default: self = .plain(try parameters.buffers(in: gradients, as: Scalar.self))
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
