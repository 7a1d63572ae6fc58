extension ReferenceFixtures {
  /// Compares sequences of momentum steps with the exact ones.
  ///
  /// - Throws: ``ReferenceError/otherInput(recipe:found:expected:)``, and the errors of the subject.
  public func evaluateSteps(of subject: some StepSubject) throws -> [ReferenceRow] {
    try evaluateSteps(Float.self, subject) + evaluateSteps(Double.self, subject)
  }

  private func evaluateSteps<Scalar: ReferenceScalar>(
    _ type: Scalar.Type, _ subject: some StepSubject
  ) throws -> [ReferenceRow] {
    let scalar = Scalar.referenceName
    let reason = "3 roundings an axpy + 1 a step, of the largest element with all terms positive"
    func tallies(_ name: String, _ reason: String) -> [Tally] {
      ["parameters", "velocity"].map { Tally("\(name), \($0)", scalar, reason: reason) }
    }
    var plain = tallies("steps", reason)
    var clipped = tallies("clipped steps", reason + "; the norm's bound + 2 for each norm clip")

    for test in updates where test.scalar == scalar {
      let outcomes = try subject.run(
        test, parameters: test.parameters.elements(as: type), gradients: test.steps.map { try $0.gradient.elements() })
      let isClipped = test.clipping != ReferenceClipping(normType: test.clipping.normType)
      for expected in test.expected {
        let outcome = outcomes[expected.step - 1]
        let allowed = roundings(test, step: expected.step, type)
        let name = "\(test.convention): \(test.name), step \(expected.step)"
        func add(_ tally: inout Tally, _ got: [Double], _ want: [ReferenceNumber], _ size: Double) {
          // With dampening 1 and without decay, nothing ever enters the velocity: it must be zero.
          let exponent = size == 0 ? -1074 : max(-1074, Int(size.exponent) + 1 - Scalar.precision)
          let unit = Double(sign: .plus, exponent: exponent, significand: 1)
          tally.add(equal: got.count == want.count, case: name)
          for (result, exact) in zip(got, want) {
            tally.add(
              error: (result - exact.double).magnitude / unit,
              allowed: size == 0 ? 0 : allowed * size.significandOrOne / 2,
              case: name)
          }
        }
        func add(_ tallies: inout [Tally]) {
          add(&tallies[0], outcome.parameters.map { Double($0) }, expected.parameters, expected.parameterSize.double)
          if let velocity = expected.velocity {
            add(&tallies[1], outcome.velocity, velocity, expected.velocitySize.double)
          }
        }
        if isClipped { add(&clipped) } else { add(&plain) }
      }
    }
    return (plain + clipped).map(\.row)
  }

  /// The bound of the error after some steps, in multiples of u of the majorant.
  private func roundings<Scalar: ReferenceScalar>(_ test: UpdateCase, step: Int, _ type: Scalar.Type) -> Double {
    let axpys = 2 + (test.weightDecay.double > 0 ? 1 : 0) + (test.nesterov ? 1 : 0)
    let count = test.parameters.count
    let norm = ErrorBound.norm(order: test.clipping.normType, type).unitRoundoffs(count) + 2
    let stages = [test.clipping.norm, test.clipping.globalNorm].count { $0 != nil }
    return Double(step * (3 * axpys + 1)) + Double(stages) * norm
  }
}
