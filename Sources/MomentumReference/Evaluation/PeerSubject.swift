import Momentum

/// The results of a run, by tensor.
struct PeerRun<Scalar: ReferenceScalar> {
  var parameters: [[Scalar]] = []
  /// `nil` for a tensor that has no velocity.
  var velocity: [[Double]?] = []
  /// Empty where the run keeps none.
  var average: [[Scalar]] = []
  /// The norm that the last step of each phase reported.
  var norms: [Double] = []
}

extension MomentumSubject {
  /// Takes the steps of a case.
  ///
  /// - Throws: The errors of the library, and ``ReferenceError/otherInput(recipe:found:expected:)``.
  func run<Scalar: ReferenceScalar>(_ test: PeerStepCase, as type: Scalar.Type) throws -> PeerRun<Scalar> {
    let layout = try ParameterLayout(test.shapes.enumerated().map { (name: "tensor \($0)", shape: $1) })
    var optimizer = try Optimizer<Scalar>(
      layout, rule: rule(test, test.phases[0]), clipping: clipping(test.clipping, isMeasured: true))
    optimizer.averaging = try averaging(test.averaging)
    var result = PeerRun<Scalar>(parameters: try test.parameters.map { try $0.elements(as: type) })
    for phase in test.phases {
      optimizer.rule = try rule(test, phase)
      var elements = try phase.gradients.map { try $0?.elements(as: type) ?? [] }
      for step in 1...phase.steps {
        let report = try withMutableBuffers(&elements) { gradients in
          let given = zip(gradients, phase.gradients).map { $1 == nil ? nil : UnsafeBufferPointer($0) }
          return try withMutableBuffers(&result.parameters) { parameters in
            try optimizer.step(parameters: parameters, gradients: given)
          }
        }
        if step == phase.steps { result.norms.append(report.totalNorm ?? .nan) }
      }
    }
    let velocity = optimizer.exactVelocity()
    result.velocity = layout.tensors.enumerated().map { index, tensor in
      optimizer.hasVelocity(ofTensor: index) ? Array(velocity[tensor.range]) : nil
    }
    if test.averaging != nil {
      result.average = layout.tensors.indices.map { index in
        optimizer.withUnsafeAverage(ofTensor: index) { Array($0) }
      }
    }
    return result
  }

  private func averaging(_ settings: PeerStepCase.Averaging?) throws -> WeightAveraging? {
    try settings.map { settings in
      let kind = settings.decay.map { WeightAveraging.Kind.exponential(decay: $0.double) } ?? .mean
      return try WeightAveraging(kind, overwriteEvery: settings.overwriteEvery)
    }
  }

  /// Clips the tensors of a case in place.
  ///
  /// - Throws: The errors of the library, and ``ReferenceError/otherInput(recipe:found:expected:)``.
  func clip<Scalar: ReferenceScalar>(_ test: PeerClipCase, as type: Scalar.Type) throws -> ClipOutcome<Scalar> {
    var tensors = try test.tensors.map { try $0.elements(as: type) }
    let report = try withMutableBuffers(&tensors) { buffers in
      try Gradients.clip(
        buffers, by: clipping(test.clipping, isMeasured: false), convention: convention(test.convention))
    }
    return ClipOutcome(tensors: tensors, report: report)
  }

  private func rule(_ test: PeerStepCase, _ phase: PeerStepCase.Phase) throws -> SGD {
    try SGD(
      learningRate: phase.learningRate.double, momentum: phase.momentum.double, dampening: test.dampening.double,
      weightDecay: test.weightDecay.double, nesterov: test.nesterov, maximize: test.maximize,
      convention: convention(test.convention))
  }

  /// - Parameter isMeasured: Whether the norm is needed even if nothing is clipped by it.
  private func clipping(_ settings: PeerClipping, isMeasured: Bool) throws -> GradientClipping {
    var clipping = try settings.value.map { try GradientClipping.byValue($0.double) } ?? .none
    clipping.tensor = settings.norm.map { .norm($0.double) }
    clipping.whole = settings.globalNorm.map { .norm($0.double) } ?? (isMeasured ? .norm(.infinity) : nil)
    clipping.normType = try normType(settings.normType)
    clipping.algorithm = algorithm
    return clipping
  }
}
