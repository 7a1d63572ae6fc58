import Momentum

extension PeerFixtures {
  /// Of a matrix, in the Frobenius norm: 1e-6 for `Float`, and as many epsilons for `Double`.
  private static let matrixEpsilons = 1e-6 / Double(Float.ulpOfOne)

  /// Compares runs of rules beside SGD with those of a peer: a row of each kind.
  func evaluateRules<Scalar: ReferenceScalar>(_ type: Scalar.Type, _ convention: String) throws -> [ReferenceRow] {
    let tests = rules.filter { $0.convention.rawValue == convention && $0.scalar == Scalar.referenceName }
    return try Set(tests.map(\.kind)).sorted().map { kind in
      let tests = tests.filter { $0.kind == kind }
      let isMuon = tests.allSatisfy { $0.rule.kind == .muon }
      let rounding = tests.contains { $0.rounding != nil } ? ", and the peer's rounding to bfloat16" : ""
      var tally = Tally(
        "\(convention) itself, \(kind)", Scalar.referenceName,
        reason: isMuon
          ? "1e-6 for Float, in epsilons of the tensor in the Frobenius norm\(rounding)"
          : "16 + 8 a step, in epsilons of the tensor's largest element")
      for test in tests { try add(test, as: type, to: &tally) }
      return tally.row
    }
  }

  /// Compares the parameters after a run.
  private func add<Scalar: ReferenceScalar>(
    _ test: PeerRuleCase, as type: Scalar.Type, to tally: inout Tally
  ) throws {
    let found = try MomentumSubject().run(test, as: type)
    for (index, expected) in test.expected.enumerated() {
      let (ours, name) = (found[index].map { Double($0) }, "\(test.name), tensor \(index)")
      guard test.rule.kind == .muon else {
        let start = try test.parameters[index].elements(as: type)
        tally.add(
          error: Self.distance(ours, expected, start, type), allowed: Double(16 + 8 * test.stepCount), case: name)
        continue
      }
      let theirs = expected.map(\.double)
      let unit = Self.norm(theirs) * Double(Scalar.ulpOfOne)
      let rounding = (test.rounding?[index].double ?? 0) / unit
      tally.add(
        error: ours.count == theirs.count ? Self.norm(zip(ours, theirs).map { $0 - $1 }) / unit : .infinity,
        allowed: Self.matrixEpsilons + rounding, case: name)
    }
  }

  private static func norm(_ elements: [Double]) -> Double { elements.reduce(0) { $0 + $1 * $1 }.squareRoot() }
}

extension MomentumSubject {
  /// Takes the steps of a case, and returns the parameters.
  ///
  /// - Throws: The errors of the library, and ``ReferenceError/otherInput(recipe:found:expected:)``.
  func run<Scalar: ReferenceScalar>(_ test: PeerRuleCase, as type: Scalar.Type) throws -> [[Scalar]] {
    let layout = try ParameterLayout(test.shapes.enumerated().map { (name: "tensor \($0)", shape: $1) })
    let configuration = OptimizerConfiguration(convention: test.convention, rule: test.rule)
    var optimizer: Optimizer<Scalar> = try configuration.makeOptimizer(layout)
    var parameters = try test.parameters.map { try $0.elements(as: type) }
    for phase in test.phases {
      var gradients = try phase.gradients.map { try $0.elements(as: type) }
      for _ in 0..<phase.steps {
        _ = try withMutableBuffers(&gradients) { gradients in
          try withMutableBuffers(&parameters) {
            try optimizer.step(parameters: $0, gradients: gradients.map { UnsafeBufferPointer($0) })
          }
        }
      }
    }
    return parameters
  }
}
