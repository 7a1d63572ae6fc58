import CMomentumLimit
import Momentum

/// The gradients and parameters of a step in half precision.
///
/// Elements are those of ``BenchMemory``, rounded where they are kept in less than `Float`.
final class HalfVectors {
  let storage: StepStorage
  let layout: ParameterLayout
  let team: EngineTeam
  private let kernel: LimitKernel
  // Only one of the two has elements.
  private var bfloat16Gradients: ParameterVector<BFloat16>
  #if !(os(macOS) && arch(x86_64))
    private var float16Gradients: ParameterVector<Float16>
  #endif
  private var ownParameters: ParameterVector<Float>
  /// The copy, or the parameters; empty unless the storage has them.
  private var narrow: ParameterVector<BFloat16>
  private var split: SplitParameters

  // The addresses of the vectors above, which live as long as they do.
  let gradientBits: UnsafeMutableBufferPointer<UInt16>
  /// Of `Float`. These and the ones below have no address if the storage has none of them.
  let parameters: UnsafeMutableBufferPointer<Float>
  let narrowBits: UnsafeMutableBufferPointer<UInt16>
  let remainders: UnsafeMutableBufferPointer<Int16>

  /// - Parameter lent: The parameters of `Float` to use; `nil` makes some.
  init(
    _ storage: StepStorage, _ layout: ParameterLayout, threads: Int, _ kernel: LimitKernel = .best,
    lent: UnsafeMutableBufferPointer<Float>? = nil
  ) throws {
    (self.storage, self.layout, self.kernel) = (storage, layout, kernel)
    team = EngineTeam(threads: threads, elements: layout.count)
    func tensors(_ areNeeded: Bool) throws -> ParameterLayout { areNeeded ? layout : try ParameterLayout(count: 0) }
    let isFloat16 = storage == .float16Gradients
    bfloat16Gradients = try ParameterVector(tensors(!isFloat16), threads: threads)
    ownParameters = try ParameterVector(tensors(storage.hasWideParameters && lent == nil), threads: threads)
    narrow = try ParameterVector(tensors(storage == .bfloat16Copy || storage.roundsParameters), threads: threads)
    split = try SplitParameters(tensors(storage.isSplit), threads: threads)
    func bits(_ buffer: UnsafeBufferPointer<BFloat16>) -> UnsafeMutableBufferPointer<UInt16> {
      UnsafeMutableBufferPointer(mutating: UnsafeRawBufferPointer(buffer).assumingMemoryBound(to: UInt16.self))
    }
    #if os(macOS) && arch(x86_64)
      gradientBits = bfloat16Gradients.withUnsafeBufferPointer(bits)
    #else
      float16Gradients = try ParameterVector(tensors(isFloat16), threads: threads)
      gradientBits =
        isFloat16
        ? float16Gradients.withUnsafeMutableBufferPointer {
          UnsafeMutableRawBufferPointer($0).assumingMemoryBound(to: UInt16.self)
        } : bfloat16Gradients.withUnsafeBufferPointer(bits)
    #endif
    func orNone<T>(_ buffer: UnsafeMutableBufferPointer<T>) -> UnsafeMutableBufferPointer<T> {
      buffer.isEmpty ? UnsafeMutableBufferPointer(start: nil, count: 0) : buffer
    }
    let own = orNone(ownParameters.withUnsafeMutableBufferPointer { $0 })
    parameters = lent ?? own
    // The limit steps the very parameters that the engine steps.
    narrowBits = orNone(
      storage.isSplit ? split.bfloat16.withUnsafeBufferPointer(bits) : narrow.withUnsafeBufferPointer(bits))
    remainders = orNone(split.withUnsafeRemainders { UnsafeMutableBufferPointer(mutating: $0) })
    fillGradients()
    fillParameters()
  }

  var count: Int { layout.count }

  func fillGradients() {
    nonisolated(unsafe) let gradients = gradientBits
    let storage = storage
    team.run { _, share in
      for index in share {
        let value = BenchMemory<Float>.gradient(index)
        #if !(os(macOS) && arch(x86_64))
          if storage == .float16Gradients {
            gradients[index] = Float16(value).bitPattern
            continue
          }
        #endif
        gradients[index] = BFloat16(value).bitPattern
      }
    }
  }

  func fillParameters() {
    nonisolated(unsafe) let (wide, narrow, remainders) = (parameters, narrowBits, remainders)
    let storage = storage
    team.run { _, share in
      for index in share {
        let value = BenchMemory<Float>.parameter(index)
        if storage.hasWideParameters { wide[index] = value }
        if storage == .bfloat16Copy || storage.roundsParameters { narrow[index] = BFloat16(value).bitPattern }
        if storage.isSplit {
          narrow[index] = UInt16(truncatingIfNeeded: (value.bitPattern &+ 0x8000) >> 16)
          remainders[index] = Int16(truncatingIfNeeded: value.bitPattern)
        }
      }
    }
  }

  /// The number in half precision at an index, of the copy or the parameters.
  func narrow(at index: Int) -> Float { Float(BFloat16(bitPattern: narrowBits[index])) }

  /// The parameter at an index.
  func parameter(at index: Int) -> Float {
    if storage.hasWideParameters { return parameters[index] }
    guard storage.isSplit else { return narrow(at: index) }
    return Float(bitPattern: UInt32(narrowBits[index]) << 16 &+ UInt32(bitPattern: Int32(remainders[index])))
  }

  /// Takes some steps as a client does.
  func step(_ optimizer: inout Optimizer<Float>, times: Int) throws(MomentumError) {
    let gradients = UnsafeRawBufferPointer(gradientBits).assumingMemoryBound(to: BFloat16.self)
    let half = UnsafeMutableRawBufferPointer(narrowBits).assumingMemoryBound(to: BFloat16.self)
    for _ in 0..<times {
      switch storage {
      case .bfloat16Gradients, .bfloat16Velocity: try optimizer.step(parameters: parameters, gradients: gradients)
      case .float16Gradients: try stepWithFloat16(&optimizer)
      case .bfloat16Copy: try optimizer.step(parameters: parameters, copy: half, gradients: gradients)
      case .remainders, .velocityRemainders: try optimizer.step(&split, gradients: bfloat16Gradients)
      case .nearest, .bfloat16All: try optimizer.step(parameters: half, rounding: .nearest, gradients: gradients)
      case .stochastic, .allStochastic:
        try optimizer.step(parameters: half, rounding: .stochastic(seed: benchRoundingSeed), gradients: gradients)
      }
    }
  }

  private func stepWithFloat16(_ optimizer: inout Optimizer<Float>) throws(MomentumError) {
    #if os(macOS) && arch(x86_64)
      preconditionFailure("Swift has no Float16 here")
    #else
      try optimizer.step(
        parameters: parameters,
        gradients: UnsafeRawBufferPointer(gradientBits).assumingMemoryBound(to: Float16.self))
    #endif
  }
}
