extension ReferenceFixtures {
  /// Compares norms with the exact ones: the special-value grid, the whole exponent range, the golden results.
  ///
  /// - Parameters:
  ///   - subject: The norm under test.
  ///   - portable: Whether the subject promises the tighter bounds of ``Momentum/NormAlgorithm/portable``. Then only
  ///     2-norms are compared, since the algorithm applies to no others.
  /// - Throws: ``ReferenceError/otherInput(recipe:found:expected:)``, and the errors of the subject.
  public func evaluateNorms(of subject: some NormSubject, portable: Bool) throws -> [ReferenceRow] {
    try NormEvaluation<Float>(portable: portable).rows(of: subject, self)
      + NormEvaluation<Double>(portable: portable).rows(of: subject, self)
  }
}

/// The rows of one scalar type.
private struct NormEvaluation<Scalar: ReferenceScalar> {
  let portable: Bool
  private var tallies: [Tally] = []

  init(portable: Bool) { self.portable = portable }

  /// Distributions whose tiles a plain dot product cannot sum.
  private var extremes: [String] { ["near overflow", "near underflow", "subnormal"] }

  /// The bound of an ordinary 2-norm.
  private var usual: ErrorBound { portable ? .carefulNorm(Scalar.self) : .fastNorm(Scalar.self) }

  func rows(of subject: some NormSubject, _ fixtures: ReferenceFixtures) throws -> [ReferenceRow] {
    var copy = self
    try copy.addNorms(fixtures.norms, subject)
    try copy.addGrid(fixtures.grid, subject)
    try copy.addGolden(fixtures.golden, subject)
    return copy.tallies.map(\.row)
  }

  private mutating func add(
    _ operation: String, _ bound: ErrorBound, _ exact: ExactValue, _ result: Double, count: Int, case name: String
  ) {
    let operation = operation + (portable ? ", portable" : "")
    let error =
      bound.isInDouble
      ? exact.error(of: result, inUlpsOf: Double.self) : exact.error(of: result, inUlpsOf: Scalar.self)
    let allowed = bound.ulps(count: count, significand: exact.significand?.double ?? 2)
    let place = tallies.firstIndex { $0.row.operation == operation } ?? tallies.count
    if place == tallies.count { tallies.append(Tally(operation, Scalar.referenceName, reason: bound.reason)) }
    tallies[place].add(error: error, allowed: allowed, case: name)
  }

  private mutating func addNorms(_ cases: [NormCase], _ subject: some NormSubject) throws {
    for test in cases where test.scalar == Scalar.referenceName {
      let x: [Scalar] = try test.input.elements()
      for (order, exact) in test.norms.sorted(by: { $0.key < $1.key }) where order == "2" || !portable {
        let result = try subject.norm(x, order: order)
        switch order {
        case "2":
          let isExtreme = extremes.contains { test.name.hasPrefix($0) }
          add(
            isExtreme ? "2-norm, extreme range" : "2-norm", isExtreme ? .carefulNorm(Scalar.self) : usual, exact,
            result,
            count: x.count, case: test.name)
          if x.count >= 10_000, test.input.kind != .constant, Scalar.precision == 24, !portable {
            add("2-norm, random data", .randomGate, exact, result, count: x.count, case: test.name)
          }
        case "1": add("1-norm", .sumInDouble, exact, result, count: x.count, case: test.name)
        case "inf": add("maximum norm", .maximum, exact, result, count: x.count, case: test.name)
        case "0": add("number of non-zeros", .maximum, exact, result, count: x.count, case: test.name)
        default: add("p-norm", .power(Double(order) ?? .nan), exact, result, count: x.count, case: test.name)
        }
      }
    }
  }

  private mutating func addGrid(_ cases: [NormGridCase], _ subject: some NormSubject) throws {
    for test in cases where test.scalar == Scalar.referenceName {
      let unit: [Scalar] = try test.unit.elements()
      for (i, row) in test.norms.enumerated() {
        for (j, exact) in row.enumerated() {
          let result = try subject.norm(test.vector(i, j, unit: unit), order: "2")
          let name = "\(test.name), v0 = \(test.values[i].double), v1 = \(test.values[j].double)"
          add("2-norm, special values", usual, exact, result, count: test.count, case: name)
        }
      }
    }
  }

  private mutating func addGolden(_ cases: [GoldenCase], _ subject: some NormSubject) throws {
    for test in cases where test.scalar == Scalar.referenceName {
      let x: [Scalar] = try test.input.elements()
      for (order, exact) in test.norms.sorted(by: { $0.key < $1.key }) where order == "2" || !portable {
        let result = try subject.norm(x, order: order)
        let bound = order == "2" ? usual : .sumInDouble
        add("ReproBLAS inputs, \(order)-norm", bound, exact, result, count: x.count, case: test.name)
        // A golden value may itself be wrong by less than one ulp, so equality is required with the exact value above.
        let golden = test.golden[order]?.double ?? .nan
        let narrowed = Double(Scalar(result))
        add(
          "ReproBLAS golden, \(order)-norm", bound, error: ReferenceFixtures.ulps(narrowed, golden, Scalar.self),
          count: x.count, case: test.name)
      }
    }
  }

  private mutating func add(
    _ operation: String, _ bound: ErrorBound, error: Double, count: Int, case name: String
  ) {
    let operation = operation + (portable ? ", portable" : "")
    let own = bound.isInDouble && Scalar.precision == 24 ? 0 : bound.ulps(count: count)
    let place = tallies.firstIndex { $0.row.operation == operation } ?? tallies.count
    if place == tallies.count {
      let reason = "1 ulp of the golden value, which is not always correctly rounded, + the norm's own bound"
      tallies.append(Tally(operation, Scalar.referenceName, reason: reason))
    }
    tallies[place].add(error: error, allowed: 1 + own, case: name)
  }
}
