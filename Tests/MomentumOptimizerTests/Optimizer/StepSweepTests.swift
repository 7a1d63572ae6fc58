import Momentum
import MomentumTestSupport
import XCTest

/// Every option and many combinations of options, against the reference in a wider type.
final class StepSweepTests: XCTestCase {
  func testEveryCombinationOfRuleOptionsFloat() throws { try everyRule(Float.self, reference: Double.self) }
  func testEveryCombinationOfRuleOptionsDouble() throws { try everyRule(Double.self, reference: Widest.self) }
  func testLengthsAtEverySeamFloat() throws { try everyLength(Float.self, reference: Double.self) }
  func testLengthsAtEverySeamDouble() throws { try everyLength(Double.self, reference: Widest.self) }

  /// All rules, on a few short tensors, each with clips, policy, storage and alignment drawn from all there are.
  private func everyRule<S: BLASScalar, Wide: WideFloat>(_: S.Type, reference: Wide.Type) throws {
    var random = SeededGenerator(seed: 21)
    var worst = 0.0
    for rule in StepOptions.rules {
      let clipping = StepOptions.clippings.filter { (try? $0.check(rule.convention)) != nil }
        .randomElement(using: &random)!
      let ratio = try compare(
        S.self, Wide.self, counts: [33, 0, 7], rule: rule, clipping: clipping, random: &random)
      worst = max(worst, ratio)
    }
    XCTAssertLessThanOrEqual(worst, 1)
    record("step, all rules, \(S.self)", worst)
  }

  /// All lengths, each with options drawn from all there are.
  private func everyLength<S: BLASScalar, Wide: WideFloat>(_: S.Type, reference: Wide.Type) throws {
    var random = SeededGenerator(seed: 22)
    var worst = 0.0
    let rules = StepOptions.rules
    for length in [1, 7, 31, 32, 33, 63, 64, 65, 2047, 2048, 2049, 3 * 2048 + 77] {
      for _ in 0..<(length > 130 ? 2 : 6) {
        let rule = rules.randomElement(using: &random)!
        let clipping = StepOptions.clippings.filter { (try? $0.check(rule.convention)) != nil }
          .randomElement(using: &random)!
        let counts = [length, 0, Int.random(in: 0...70, using: &random)].shuffled(using: &random)
        worst = max(
          worst,
          try compare(S.self, Wide.self, counts: counts, rule: rule, clipping: clipping, random: &random))
      }
    }
    record("step, all lengths, \(S.self)", worst)
  }

  /// Takes a few steps with changing learning rate and momentum.
  ///
  /// - Returns: The largest error as a share of what is allowed.
  private func compare<S: BLASScalar, Wide: WideFloat>(
    _: S.Type, _: Wide.Type, counts: [Int], rule: SGD, clipping: GradientClipping,
    random: inout SeededGenerator
  ) throws -> Double {
    let start: [[S]] = counts.map { random.numbers($0) }
    let storage = EngineRun<S>.Storage.allCases.randomElement(using: &random)!
    var run = try EngineRun(
      start, rule: rule, clipping: clipping, policy: .throw, threads: Int.random(in: 1...8, using: &random),
      storage: storage, shift: Int.random(in: 0..<64 / MemoryLayout<S>.stride, using: &random))
    var reference = ReferenceOptimizer<Wide>(start, rule: rule, clipping: clipping)
    var worst = 0.0
    for step in 1...4 {
      var changed = rule
      changed.learningRate *= [1, 0.5, 2, 1][step - 1]
      if rule.momentum > 0 { changed.momentum *= [1, 1, 0.75, 0.9][step - 1] }
      run.optimizer.rule = changed
      reference.rule = changed
      var gradients: [[S]?] = counts.map { random.numbers($0) }
      // One tensor goes without a gradient now and then.
      if storage == .separate, step == 2 { gradients[Int.random(in: counts.indices, using: &random)] = nil }
      let report = try run.step(gradients)
      let expected = reference.step(gradients)
      let name = "\(changed), \(clipping), counts \(counts), step \(step)"
      checkReport(report, expected, clipping, S.self, name)
      let allowed = AccuracyBounds.step(step, clipping, S.self) * AccuracyBounds.unit(S.self)
      worst = max(
        worst, check(run.parameters, reference.parameters, reference.parameterBounds, allowed, "parameters; \(name)"),
        check(run.velocity, reference.velocity, reference.velocityBounds, allowed, "velocity; \(name)"))
    }
    XCTAssertTrue(run.guardsAreIntact, "wrote outside the parameters; \(rule)")
    return worst
  }

  private func check<T: BinaryFloatingPoint, Wide: WideFloat>(
    _ observed: [[T]], _ expected: [[Wide]], _ bounds: [[Wide]], _ allowed: Double, _ name: String
  ) -> Double {
    var closeness = Closeness()
    for tensor in expected.indices {
      for i in expected[tensor].indices {
        let error = Double((Wide(observed[tensor][i]) - expected[tensor][i]).magnitude)
        let limit = allowed * Double(bounds[tensor][i])
        closeness.add(
          expected[tensor][i], observed[tensor][i], at: i, distance: error == 0 ? 0 : error / limit)
      }
    }
    if closeness.worst > 1 { XCTFail("\(closeness.description) (1 is allowed); \(name)") }
    return closeness.worst
  }

  private func checkReport<S: BLASScalar, Wide: WideFloat>(
    _ report: StepReport, _ expected: ReferenceOptimizer<Wide>.Report, _ clipping: GradientClipping, _: S.Type,
    _ name: String
  ) {
    XCTAssertEqual(report.valueClippedCount, expected.valueClippedCount, name)
    XCTAssertEqual(report.nonFiniteCount, 0, name)
    let unit = AccuracyBounds.unit(S.self)
    let normBound = AccuracyBounds.norm(clipping.normType, S.self) * unit + 2 * Double.ulpOfOne
    func close(_ what: String, _ found: Double?, _ wide: Wide, _ bound: Double) {
      guard let found else { return XCTFail("no \(what); \(name)") }
      XCTAssertEqual(found, Double(wide), accuracy: bound * Double(wide), "\(what); \(name)")
    }
    close("total norm", report.totalNorm, expected.totalNorm, normBound)
    let bound = AccuracyBounds.coefficient(clipping.normType, S.self) * unit
    close("compared norm", report.comparedNorm, expected.comparedNorm, 2 * bound)
    close("coefficient", report.clipCoefficient, expected.clipCoefficient, 3 * bound)
  }
}
