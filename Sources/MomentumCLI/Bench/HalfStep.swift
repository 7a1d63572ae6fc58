import CMomentumLimit
import Momentum

/// A way to step parameters that are kept in half precision.
protocol HalfContender: BenchContender {
  /// The parameter at an index.
  func parameter(at index: Int) -> Float
}

/// The engine's step.
final class EngineHalfStep: HalfContender {
  private let vectors: HalfVectors
  private var optimizer: Optimizer<Float>

  init(_ vectors: HalfVectors, _ settings: StepSettings, threads: Int, kernels: StepKernels = .automatic) throws {
    self.vectors = vectors
    optimizer = try Optimizer(
      vectors.layout, rule: settings.rule, clipping: settings.clipping,
      velocityType: vectors.storage.velocityType, threads: threads)
    optimizer.kernels = kernels
  }

  var kernels: StepKernels? { optimizer.lastStepWasFused ? .fused : .blas }

  func prepare() {}
  func run() throws { try run(times: 1) }
  func run(times: Int) throws { try vectors.step(&optimizer, times: times) }
  func parameter(at index: Int) -> Float { vectors.parameter(at: index) }
}

/// The step as one hand-fused loop a pass.
final class LimitHalfStep: HalfContender {
  private let vectors: HalfVectors
  private let settings: StepSettings
  private let kernel: LimitKernel
  private let velocity: UnsafeMutableBufferPointer<Float>
  /// In place of `velocity`, if the storage has one; its memory is that of `halfVector`.
  private let halfVelocity: UnsafeMutablePointer<UInt16>?
  private let halfVector: ParameterVector<BFloat16>
  private let sums: ThreadSums
  private let keys: [UInt64]
  private var steps: UInt64 = 0

  init(
    _ vectors: HalfVectors, _ settings: StepSettings, _ kernel: LimitKernel,
    velocity: UnsafeMutableBufferPointer<Float>, threads: Int
  ) throws {
    (self.vectors, self.settings, self.kernel, self.velocity) = (vectors, settings, kernel, velocity)
    sums = ThreadSums(vectors.team.count)
    keys = vectors.layout.tensors.map { benchRoundingKey(tensor: $0.name) }
    let isHalf = vectors.storage.hasHalfVelocity
    halfVector = try ParameterVector(isHalf ? vectors.layout : ParameterLayout(count: 0), threads: threads)
    halfVelocity =
      isHalf
      ? halfVector.withUnsafeBufferPointer {
        UnsafeMutableRawPointer(mutating: $0.baseAddress!).assumingMemoryBound(to: UInt16.self)
      } : nil
  }

  func prepare() {}

  func run() {
    steps += 1
    let (path, sums, keys, steps) = (kernel.path, sums, keys, steps)
    let isFloat16 = vectors.storage == .float16Gradients
    nonisolated(unsafe) let vectors = vectors
    nonisolated(unsafe) let (velocity, halfVelocity) = (velocity, halfVelocity)
    vectors.team.run { thread, share in
      sums[thread] = momentum_limit_squares_half(
        path, vectors.gradientBits.baseAddress! + share.lowerBound, share.count, isFloat16)
    }
    let update = settings.limitUpdate(coefficient: settings.coefficient(squares: sums.total))
    vectors.team.run { _, share in
      for (index, tensor) in vectors.layout.tensors.enumerated() {
        let part = tensor.range.clamped(to: share)
        guard !part.isEmpty else { continue }
        let start = part.lowerBound
        var operands = momentum_limit_vectors(
          gradient: vectors.gradientBits.baseAddress! + start,
          velocity: halfVelocity == nil ? velocity.baseAddress! + start : nil,
          parameters: vectors.parameters.baseAddress.map { $0 + start },
          half: vectors.narrowBits.baseAddress.map { $0 + start },
          remainder: vectors.remainders.baseAddress.map { $0 + start }, half_velocity: halfVelocity.map { $0 + start })
        withUnsafePointer(to: update) {
          momentum_limit_update_half(
            path, vectors.storage.limit, $0, &operands, part.count,
            momentum_limit_random(key: keys[index], step: steps, index: UInt64(start - tensor.offset)))
        }
      }
    }
  }

  func parameter(at index: Int) -> Float { vectors.parameter(at: index) }
}

/// The step by a library that knows `Float`s only: whole vectors are widened, stepped by the engine, and narrowed.
final class WidenedStep: HalfContender {
  private let vectors: HalfVectors
  private let memory: BenchMemory<Float>
  private let kernel: LimitKernel
  private let step: EngineStep<Float>
  private let keys: [UInt64]
  private var steps: UInt64 = 0

  init(_ vectors: HalfVectors, _ memory: BenchMemory<Float>, _ kernel: LimitKernel, _ step: EngineStep<Float>) {
    (self.vectors, self.memory, self.kernel, self.step) = (vectors, memory, kernel, step)
    keys = vectors.layout.tensors.map { benchRoundingKey(tensor: $0.name) }
  }

  func prepare() {}

  func run() throws {
    steps += 1
    let (path, storage) = (kernel.path, vectors.storage)
    nonisolated(unsafe) let (vectors, memory) = (vectors, memory)
    memory.team.run { _, share in
      let start = share.lowerBound
      momentum_limit_widen(
        path, vectors.gradientBits.baseAddress! + start, memory.gradients.baseAddress! + start, share.count,
        storage == .float16Gradients)
      guard storage.roundsParameters else { return }
      momentum_limit_widen(
        path, vectors.narrowBits.baseAddress! + start, memory.parameters.baseAddress! + start, share.count, false)
    }
    try step.run()
    guard let narrow = vectors.narrowBits.baseAddress else { return }
    nonisolated(unsafe) let half = narrow
    let (keys, steps) = (keys, steps)
    memory.team.run { _, share in
      guard storage.isStochastic else {
        let start = share.lowerBound
        return momentum_limit_narrow(path, memory.parameters.baseAddress! + start, half + start, share.count)
      }
      for (index, tensor) in memory.layout.tensors.enumerated() {
        let part = tensor.range.clamped(to: share)
        guard !part.isEmpty else { continue }
        momentum_limit_narrow_at_random(
          path, memory.parameters.baseAddress! + part.lowerBound, half + part.lowerBound, part.count,
          momentum_limit_random(key: keys[index], step: steps, index: UInt64(part.lowerBound - tensor.offset)))
      }
    }
  }

  func parameter(at index: Int) -> Float {
    vectors.storage.roundsParameters ? vectors.narrow(at: index) : memory.parameters[index]
  }
}
