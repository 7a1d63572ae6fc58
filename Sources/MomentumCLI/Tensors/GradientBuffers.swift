import Momentum
import MomentumFiles

/// The gradients of one checkpoint in the order of the parameters, `nil` for a parameter without one, in the types that they are
/// stored in.
enum GradientBuffers<Scalar: ParameterScalar> {
  /// All of the type of the parameters.
  case plain([UnsafeBufferPointer<Scalar>?])
  /// Of other types.
  case typed(TypedGradients)

  /// The tensors of a checkpoint, which go with the parameters (``CheckpointTensors/check(_:)``), that belong to some of them.
  init(_ gradients: CheckpointTensors, of parameters: CheckpointTensors) throws {
    let dtypes = Set(parameters.tensors.compactMap { gradients.place(of: $0.tensor.name)?.tensor.dtype })
    guard dtypes.count <= 1 else {
      self = .typed(.mixed(try gradients.tensorBuffers(of: parameters)))
      return
    }
    switch dtypes.first {
    case .bf16: self = .typed(.bfloat16(try parameters.buffers(in: gradients, as: BFloat16.self)))
    #if !(os(macOS) && arch(x86_64))
      case .f16: self = .typed(.float16(try parameters.buffers(in: gradients, as: Float16.self)))
    #endif
    default: self = .plain(try parameters.buffers(in: gradients, as: Scalar.self))
    }
  }
}

extension GradientBuffers<Float> {
  /// Each with its type.
  var tensorBuffers: [TensorBuffer?] {
    func typed<Element: StoredScalar>(_ buffers: [UnsafeBufferPointer<Element>?]) -> [TensorBuffer?] {
      buffers.map { $0.map { TensorBuffer($0) } }
    }
    return switch self {
    case .plain(let buffers): typed(buffers)
    case .typed(.bfloat16(let buffers)): typed(buffers)
    #if !(os(macOS) && arch(x86_64))
      case .typed(.float16(let buffers)): typed(buffers)
    #endif
    case .typed(.mixed(let buffers)): buffers
    }
  }
}

/// Gradients that are not all of Floats, for parameters that are computed with as Floats.
enum TypedGradients {
  case bfloat16([UnsafeBufferPointer<BFloat16>?])
  #if !(os(macOS) && arch(x86_64))
    case float16([UnsafeBufferPointer<Float16>?])
  #endif
  /// Of several types, Floats perhaps among them.
  case mixed([TensorBuffer?])
}

/// A type of parameters. Those of `Float` take gradients of other types too.
protocol ParameterScalar: BLASScalar, SafetensorsScalar {

  static func step(
    _ optimizer: inout Optimizer<Self>, _ parameters: [UnsafeMutableBufferPointer<Self>], _ gradients: TypedGradients,
    _ exchange: (any NormExchange)?
  ) throws(MomentumError) -> StepReport

  static func add(
    _ gradients: TypedGradients, weight: Double, to sum: inout GradientAccumulator<Self>
  ) throws(MomentumError)
}

extension Float: ParameterScalar {

  static func step(
    _ optimizer: inout Optimizer<Float>, _ parameters: [UnsafeMutableBufferPointer<Float>],
    _ gradients: TypedGradients, _ exchange: (any NormExchange)?
  ) throws(MomentumError) -> StepReport {
    switch gradients {
    case .bfloat16(let gradients): return try take(&optimizer, parameters, gradients, exchange)
    #if !(os(macOS) && arch(x86_64))
      case .float16(let gradients): return try take(&optimizer, parameters, gradients, exchange)
    #endif
    case .mixed(let gradients):
      let parameters = parameters.map { ParameterBuffer($0) }
      guard let exchange else { return try optimizer.step(parameters: parameters, gradients: gradients) }
      return try optimizer.step(parameters: parameters, gradients: gradients, exchange: exchange)
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
    _ gradients: TypedGradients, weight: Double, to sum: inout GradientAccumulator<Float>
  ) throws(MomentumError) {
    switch gradients {
    case .bfloat16(let gradients): try sum.add(gradients, weight: weight)
    #if !(os(macOS) && arch(x86_64))
      case .float16(let gradients): try sum.add(gradients, weight: weight)
    #endif
    case .mixed(let gradients):
      // Sums are of Floats, which those in half precision become exactly.
      var copies: [SharedMemory] = []
      var wide: [UnsafeBufferPointer<Float>?] = []
      for gradient in gradients {
        guard let gradient, gradient.elementType != .float32 else {
          wide.append(gradient.map { $0.bytes.assumingMemoryBound(to: Float.self) })
          continue
        }
        let copy = try SharedMemory(of: Float.self, count: gradient.count)
        copies.append(copy)
        try gradient.widen(into: copy.elements(as: Float.self))
        wide.append(UnsafeBufferPointer(copy.elements(as: Float.self)))
      }
      try sum.add(wide, weight: weight)
      withExtendedLifetime(copies) {}
    }
  }
}

// Files of gradients for parameters of Double are checked: they hold no others.
extension Double: ParameterScalar {

  static func step(
    _ optimizer: inout Optimizer<Double>, _ parameters: [UnsafeMutableBufferPointer<Double>],
    _ gradients: TypedGradients, _ exchange: (any NormExchange)?
  ) throws(MomentumError) -> StepReport { preconditionFailure("parameters of Double take gradients of Double") }

  static func add(
    _ gradients: TypedGradients, weight: Double, to sum: inout GradientAccumulator<Double>
  ) throws(MomentumError) { preconditionFailure("parameters of Double take gradients of Double") }
}
