import Momentum

extension PeerFixtures {
  /// Compares steps, clips, norms, averages, schedules and other rules with the results of the peers: a row of each for each
  /// convention and scalar.
  ///
  /// - Throws: The errors of the library where it should throw none, and
  ///   ``ReferenceError/otherInput(recipe:found:expected:)``.
  public func evaluate() throws -> [ReferenceRow] {
    try Set(steps.map(\.convention)).sorted().flatMap { convention in
      try evaluate(Float.self, convention) + evaluate(Double.self, convention)
    }
  }

  private func evaluate<Scalar: ReferenceScalar>(_ type: Scalar.Type, _ convention: String) throws -> [ReferenceRow] {
    let scalar = Scalar.referenceName
    let subject = MomentumSubject()
    let step = "16 + 8 a step, in epsilons of the tensor's largest element"
    var stepped = Tally("\(convention) itself, steps", scalar, reason: step)
    var averaged = Tally("\(convention) itself, averages", scalar, reason: step)
    var clipped = Tally(
      "\(convention) itself, clips", scalar, reason: "24, in epsilons of the tensor's largest element")
    var norms = Tally(
      "\(convention) itself, norms", scalar,
      reason: "relative \(Self.normTolerance(type)) of the norm in Double; 24 epsilons of the one returned")
    var scheduled = Tally(
      "\(convention) itself, schedules", scalar, reason: "8, in epsilons of the schedule's largest value")

    for test in steps where test.convention == convention && test.scalar == scalar {
      try add(test, of: subject, as: type, to: &stepped, norms: &norms)
    }
    for test in averages where test.convention == convention && test.scalar == scalar {
      try add(test, of: subject, as: type, to: &averaged, norms: &norms)
    }
    for test in schedules where test.convention == convention && test.scalar == scalar {
      let values = test.values.indices.map { test.schedule.value(at: $0) }
      scheduled.add(error: Self.distance(values, test.values, [], type), allowed: 8, case: test.name)
    }
    for test in clips where test.convention == convention && test.scalar == scalar {
      guard let due = test.due else {
        clipped.add(equal: (try? subject.clip(test, as: type)) == nil, case: "\(test.name), refused")
        continue
      }
      let outcome = try subject.clip(test, as: type)
      for (index, tensor) in due.enumerated() {
        clipped.add(
          error: Self.distance(outcome.tensors[index].map { Double($0) }, tensor, [], type), allowed: 24,
          case: "\(test.name), tensor \(index)")
      }
      guard test.clipping.norm != nil || test.clipping.globalNorm != nil else { continue }
      norms.add(
        error: Self.relative(outcome.totalNorm, test.norm.double, type), allowed: Self.normBound(type), case: test.name)
      if let returned = test.expected.returned, test.expected.normIsWrong != true {
        norms.add(
          error: Self.relative(outcome.comparedNorm, returned.double, type), allowed: 24, case: "\(test.name), returned"
        )
      }
    }
    // Not every peer keeps averages, or computes schedules in this type.
    return try [stepped, clipped, norms].map(\.row) + [averaged, scheduled].map(\.row).filter { $0.cases > 0 }
      + evaluateRules(type, convention)
  }

  /// Compares the state after a run, and the norm of each phase.
  private func add<Scalar: ReferenceScalar>(
    _ test: PeerStepCase, of subject: MomentumSubject, as type: Scalar.Type, to tally: inout Tally, norms: inout Tally
  ) throws {
    let run = try subject.run(test, as: type)
    let (due, allowed) = (test.due, Double(16 + 8 * test.stepCount))
    for index in test.shapes.indices {
      // A parameter that ends near zero has lost digits on the way, so its initial value counts towards its size.
      let start = try test.parameters[index].elements(as: type)
      let name = "\(test.name), tensor \(index)"
      tally.add(
        error: Self.distance(run.parameters[index].map { Double($0) }, due.parameters[index], start, type),
        allowed: allowed, case: name)
      if let average = due.average {
        tally.add(
          error: Self.distance(run.average[index].map { Double($0) }, average[index], start, type), allowed: allowed,
          case: "\(name), average")
      }
      guard let velocity = due.velocity[index] else {
        tally.add(equal: run.velocity[index] == nil, case: "\(name), no velocity")
        continue
      }
      // Before the first gradient, a velocity of zeros and no velocity are the same.
      let ours = run.velocity[index] ?? [Double](repeating: 0, count: velocity.count)
      tally.add(error: Self.distance(ours, velocity, [], type), allowed: allowed, case: "\(name), velocity")
    }
    for (phase, norm) in zip(test.phases, run.norms) {
      norms.add(error: Self.relative(norm, phase.norm.double, type), allowed: Self.normBound(type), case: test.name)
    }
  }

  /// The largest difference, in epsilons of the largest element (of `start` too); infinite where a NaN or an infinity
  /// is not in its place.
  static func distance<Scalar: ReferenceScalar>(
    _ ours: [Double], _ theirs: [ReferenceNumber], _ start: [Scalar], _ type: Scalar.Type
  ) -> Double {
    guard ours.count == theirs.count else { return .infinity }
    let finite = theirs.map(\.double).filter(\.isFinite) + start.map { Double($0) }
    let size = finite.reduce(0) { max($0, $1.magnitude) }
    var worst = 0.0
    for (result, expected) in zip(ours, theirs.map(\.double)) {
      if result == expected || (result.isNaN && expected.isNaN) { continue }
      let difference = (result - expected).magnitude
      // Below the normal range there are no more digits than this.
      if difference <= Double(Scalar.leastNonzeroMagnitude) { continue }
      guard difference.isFinite, size > 0 else { return .infinity }
      worst = max(worst, difference / size / Double(Scalar.ulpOfOne))
    }
    return worst
  }

  /// The relative difference in epsilons.
  private static func relative<Scalar: ReferenceScalar>(
    _ result: Double, _ expected: Double, _ type: Scalar.Type
  ) -> Double {
    if result == expected || (result.isNaN && expected.isNaN) { return 0 }
    guard result.isFinite, expected.isFinite, expected != 0 else { return .infinity }
    return (result / expected - 1).magnitude / Double(Scalar.ulpOfOne)
  }

  private static func normTolerance<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> Double {
    Scalar.precision == 24 ? 3e-7 : 1e-14
  }

  private static func normBound<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> Double {
    normTolerance(type) / Double(Scalar.ulpOfOne)
  }
}
