public import Momentum

/// This library under test.
public struct MomentumSubject: NormSubject, ClipSubject, StepSubject {
  public var algorithm: NormAlgorithm

  public init(algorithm: NormAlgorithm = .blas) { self.algorithm = algorithm }

  public func norm<Scalar: ReferenceScalar>(_ x: [Scalar], order: String) throws -> Double {
    try x.withUnsafeBufferPointer { try Gradients.norm(of: $0, type: normType(order), algorithm: algorithm).norm }
  }

  public func norm<Scalar: ReferenceScalar>(of x: UnsafeBufferPointer<Scalar>) throws -> ScaledDouble {
    try Gradients.norm(of: x, algorithm: algorithm).scaledNorm
  }

  public func clip<Scalar: ReferenceScalar>(_ tensors: [[Scalar]], as clip: ClipCase) throws -> ClipOutcome<Scalar> {
    var tensors = tensors
    let report = try withMutableBuffers(&tensors) { buffers in
      try Gradients.clip(
        buffers, by: clipping(clip.clipping), convention: convention(clip.convention), nonFinitePolicy: .propagate)
    }
    return ClipOutcome(tensors: tensors, report: report)
  }

  public func run<Scalar: ReferenceScalar>(
    _ update: UpdateCase, parameters: [Scalar], gradients: [[Scalar]]
  ) throws -> [StepOutcome<Scalar>] {
    let layout = try ParameterLayout(update.shapes.enumerated().map { (name: "tensor \($0)", shape: $1) })
    var optimizer = try Optimizer<Scalar>(
      layout, rule: rule(update, step: 0), clipping: clipping(update.clipping), nonFinitePolicy: .throw)
    var parameters = parameters
    var outcomes: [StepOutcome<Scalar>] = []
    for (step, gradient) in gradients.enumerated() {
      optimizer.rule = try rule(update, step: step)
      var span = parameters.mutableSpan
      try optimizer.step(&span, gradients: gradient.span)
      outcomes.append(StepOutcome(parameters: parameters, velocity: optimizer.exactVelocity()))
    }
    return outcomes
  }

  private func rule(_ update: UpdateCase, step: Int) throws -> SGD {
    try SGD(
      learningRate: update.steps[step].learningRate.double, momentum: update.steps[step].momentum.double,
      dampening: update.dampening.double, weightDecay: update.weightDecay.double,
      decoupledWeightDecay: update.decoupledWeightDecay, nesterov: update.nesterov, maximize: update.maximize,
      convention: convention(update.convention))
  }

  /// The settings of a case in the form of this library.
  func clipping(_ settings: ReferenceClipping) throws -> GradientClipping {
    try GradientClipping(
      value: settings.value.map { $0[0].double...$0[1].double }, tensor: settings.norm.map { .norm($0.double) },
      whole: settings.globalNorm.map { .norm($0.double) }, normType: normType(settings.normType), algorithm: algorithm)
  }

  func convention(_ name: String) throws -> Convention {
    guard let convention = Convention(rawValue: name) else {
      throw ReferenceError.unreadable(file: "cases", cause: "no convention named '\(name)'")
    }
    return convention
  }

  func normType(_ order: String) throws -> NormType {
    guard let number = Double(order) else {
      throw ReferenceError.unreadable(file: "cases", cause: "no norm of order '\(order)'")
    }
    return try NormType(order: number)
  }
}

extension ClipOutcome {
  init(tensors: [[Scalar]], report: ClipReport) {
    self.init(
      tensors: tensors, totalNorm: report.totalNorm ?? .nan, comparedNorm: report.comparedNorm ?? .nan,
      coefficient: report.clipCoefficient, valueClippedCount: report.valueClippedCount, nanCount: report.nanCount,
      infinityCount: report.infinityCount)
  }
}

extension Optimizer where Scalar: ReferenceScalar {
  /// Scale times direction, not folded: the velocity that later steps work with.
  func exactVelocity() -> [Double] {
    let state = state()
    guard !state.direction.isEmpty else { return [Double](repeating: 0, count: layout.count) }
    return layout.tensors.enumerated().flatMap { index, tensor in
      state.direction[tensor.range].map { Double($0) * state.velocities[index].scale }
    }
  }
}

/// Calls `body` with a buffer for each array.
func withMutableBuffers<Scalar, Result>(
  _ arrays: inout [[Scalar]], _ body: ([UnsafeMutableBufferPointer<Scalar>]) throws -> Result
) rethrows -> Result {
  let buffers = arrays.map { array in
    let buffer = UnsafeMutableBufferPointer<Scalar>.allocate(capacity: array.count)
    _ = buffer.initialize(from: array)
    return buffer
  }
  defer {
    for (index, buffer) in buffers.enumerated() {
      arrays[index] = Array(buffer)
      buffer.deallocate()
    }
  }
  return try body(buffers)
}
