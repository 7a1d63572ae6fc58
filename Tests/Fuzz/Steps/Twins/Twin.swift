import Momentum

/// One of several optimizers that take the same steps, each with its own memory and number of threads.
final class Twin<Scalar: BLASScalar> {
  /// Where parameters and gradients lie.
  enum Storage: String, CaseIterable {
    /// A ``ParameterVector``.
    case vector
    /// A flat vector at an odd address.
    case flat
    /// A span of an array.
    case span
    /// A list of tensors, scattered.
    case list
  }

  let name: String
  let storage: Storage
  let threads: Int
  /// The first twin calls BLAS, so that the loops of the others are compared with its calls. Some of those choose for
  /// themselves what is faster.
  let kernels: StepKernels
  /// Whether steps of lists meet other owners, of whom there are none.
  let meets: Bool
  let layout: ParameterLayout
  var optimizer: Optimizer<Scalar>
  private var vector, vectorGradient: ParameterVector<Scalar>
  private let flat, flatGradient: FlatMemory<Scalar>
  private var array: [Scalar]
  private let scattered, scatteredGradient: ScatteredMemory<Scalar>
  private var accumulator: GradientAccumulator<Scalar>

  init(
    _ name: String, _ storage: Storage, _ layout: ParameterLayout, _ settings: Settings, threads: Int,
    _ kernels: StepKernels, meets: Bool = false, _ random: inout Random
  ) throws {
    (self.name, self.storage, self.meets, self.layout) = (name, storage, meets, layout)
    (self.threads, self.kernels) = (threads, kernels)
    optimizer = try settings.makeOptimizer(layout, threads: threads, kernels: kernels)
    // Only the memory that is used is large.
    let nothing = try ParameterLayout(count: 0)
    vector = try ParameterVector(storage == .vector ? layout : nothing, threads: threads)
    vectorGradient = try ParameterVector(storage == .vector ? layout : nothing, threads: threads)
    flat = FlatMemory(storage == .flat ? layout.count : 0, shift: random.below(17))
    flatGradient = FlatMemory(storage == .list ? 0 : layout.count, shift: random.below(17))
    array = storage == .span ? Array(repeating: 0, count: layout.count) : []
    let counts = storage == .list ? layout.tensors.map(\.count) : []
    scattered = ScatteredMemory(counts, &random)
    scatteredGradient = ScatteredMemory(counts, &random)
    accumulator = try GradientAccumulator(layout, threads: threads)
  }

  // MARK: Elements

  /// Calls `body` with the parameters of each tensor.
  func withParameters<R>(_ body: ([UnsafeMutableBufferPointer<Scalar>]) throws -> R) rethrows -> R {
    switch storage {
    case .vector: try vector.withUnsafeMutableBufferPointer { try body($0.tensors(of: layout)) }
    case .flat: try body(flat.buffer.tensors(of: layout))
    case .span: try array.withUnsafeMutableBufferPointer { try body($0.tensors(of: layout)) }
    case .list: try body(scattered.tensors)
    }
  }

  /// A copy of the parameters, in the order of the layout.
  func copyParameters(into target: inout [Scalar]) {
    withParameters { tensors in
      target.withUnsafeMutableBufferPointer { target in
        for (tensor, buffer) in zip(layout.tensors, tensors) where tensor.count > 0 {
          (target.baseAddress! + tensor.offset).update(from: buffer.baseAddress!, count: tensor.count)
        }
      }
    }
  }

  func setParameters(_ source: [Scalar]) {
    withParameters { tensors in
      for (tensor, buffer) in zip(layout.tensors, tensors) where tensor.count > 0 {
        _ = buffer.update(fromContentsOf: source[tensor.range])
      }
    }
  }

  /// Whether nothing was written beside the tensors.
  var gapsAreUntouched: Bool { scattered.gapsAreUntouched && scatteredGradient.gapsAreUntouched }

  // MARK: Steps

  /// Takes a step; `wroteGradient` tells whether the gradients in memory are others afterwards.
  func step(_ input: StepInput<Scalar>, wroteGradient: inout Bool) throws -> StepReport {
    switch input.kind {
    case .accumulated(let reduction, let algorithm):
      return try accumulatedStep(input, reduction, algorithm)
    case .direct:
      let gradient = input.gradients[0]
      defer { wroteGradient = !isLoaded(gradient.elements) }
      load(gradient.elements)
      if storage == .list || gradient.isMissing.contains(true) {
        return try withParameters { parameters in
          try withGradients(gradient.isMissing) {
            guard let exchange else { return try optimizer.step(parameters: parameters, gradients: $0) }
            return try optimizer.step(parameters: parameters, gradients: $0, exchange: exchange)
          }
        }
      }
      switch storage {
      case .vector: return try optimizer.step(&vector, gradients: vectorGradient)
      case .span:
        var span = array.mutableSpan
        return try optimizer.step(&span, gradients: gradient.elements.span)
      default: return try optimizer.step(parameters: flat.buffer, gradients: UnsafeBufferPointer(flatGradient.buffer))
      }
    }
  }

  /// The sum of the gradients, as the accumulator has it.
  func sum(
    _ input: StepInput<Scalar>, _ reduction: GradientAccumulator<Scalar>.Reduction, _ algorithm: NormAlgorithm
  ) throws -> StepInput<Scalar>.Gradient {
    try accumulate(input, reduction, algorithm)
    var sum = StepInput<Scalar>.Gradient(elements: [], isMissing: [])
    for (index, tensor) in layout.tensors.enumerated() {
      accumulator.withUnsafeSum(ofTensor: index) { part in
        sum.isMissing.append(part == nil)
        if let part { sum.elements += part } else { sum.elements += repeatElement(0, count: tensor.count) }
      }
    }
    return sum
  }

  private func accumulate(
    _ input: StepInput<Scalar>, _ reduction: GradientAccumulator<Scalar>.Reduction, _ algorithm: NormAlgorithm
  ) throws {
    if accumulator.reduction != reduction || accumulator.algorithm != algorithm {
      accumulator = try GradientAccumulator(layout, reduction: reduction, algorithm: algorithm, threads: threads)
    }
    // A step that threw has left its sum.
    accumulator.reset()
    for gradient in input.gradients {
      load(gradient.elements)
      if storage == .list || gradient.isMissing.contains(true) {
        try withGradients(gradient.isMissing) { try accumulator.add($0) }
      } else if storage == .vector {
        try accumulator.add(vectorGradient)
      } else {
        try accumulator.add(UnsafeBufferPointer(flatGradient.buffer))
      }
    }
  }

  private func accumulatedStep(
    _ input: StepInput<Scalar>, _ reduction: GradientAccumulator<Scalar>.Reduction, _ algorithm: NormAlgorithm
  ) throws -> StepReport {
    try accumulate(input, reduction, algorithm)
    switch storage {
    case .vector: return try optimizer.step(&vector, gradients: &accumulator)
    case .flat: return try optimizer.step(parameters: flat.buffer, gradients: &accumulator)
    case .span:
      return try array.withUnsafeMutableBufferPointer { try optimizer.step(parameters: $0, gradients: &accumulator) }
    case .list:
      guard let exchange else { return try optimizer.step(parameters: scattered.tensors, gradients: &accumulator) }
      return try optimizer.step(parameters: scattered.tensors, gradients: &accumulator, exchange: exchange)
    }
  }

  /// Where the twin meets others; steps in one pass cannot.
  private var exchange: OnlyOwner? { meets && optimizer.mode == .twoPass ? OnlyOwner() : nil }

  /// The exchange of one owner of all tensors.
  private struct OnlyOwner: NormExchange {
    func merge(_ message: inout NormMessage) throws(MomentumError) {}
  }

  // MARK: Gradients

  /// Where the gradients of each tensor lie.
  private func withGradientTensors<R>(_ body: ([UnsafeMutableBufferPointer<Scalar>]) throws -> R) rethrows -> R {
    switch storage {
    case .vector: try vectorGradient.withUnsafeMutableBufferPointer { try body($0.tensors(of: layout)) }
    case .flat, .span: try body(flatGradient.buffer.tensors(of: layout))
    case .list: try body(scatteredGradient.tensors)
    }
  }

  private func load(_ elements: [Scalar]) {
    withGradientTensors { tensors in
      for (tensor, buffer) in zip(layout.tensors, tensors) where tensor.count > 0 {
        _ = buffer.update(fromContentsOf: elements[tensor.range])
      }
    }
  }

  private func isLoaded(_ elements: [Scalar]) -> Bool {
    withGradientTensors { tensors in
      elements.withUnsafeBufferPointer { elements in
        zip(layout.tensors, tensors).allSatisfy { tensor, buffer in
          Bits.firstDifference(UnsafeBufferPointer(rebasing: elements[tensor.range]), UnsafeBufferPointer(buffer))
            == nil
        }
      }
    }
  }

  private func withGradients<R>(
    _ isMissing: [Bool], _ body: ([UnsafeBufferPointer<Scalar>?]) throws -> R
  ) rethrows -> R {
    try withGradientTensors { tensors in try body(zip(tensors, isMissing).map { $1 ? nil : UnsafeBufferPointer($0) }) }
  }
}
