import Momentum
import XCTest

/// The code of the article OwnRule; see ``DocumentationSnippets``.
final class DocumentationSnippetsOfRules: XCTestCase {
  func testAgainstAPlainLoop() throws {
    // snippet
    func descend(_ mode: StepMode) throws -> [Double] {
      var optimizer = try Optimizer<Double>(
        ParameterLayout(count: 1), rule: QuasiHyperbolic(learningRate: 0.1), clipping: .byGlobalNorm(2),
        nonFinitePolicy: .propagate, mode: mode)
      var parameters = [3.0]
      for _ in 0..<100 {
        let gradients = parameters  // of p² / 2
        var span = parameters.mutableSpan
        try optimizer.step(&span, gradients: gradients.span)
      }
      return parameters
    }
    var (p, v) = (3.0, 0.0)
    for _ in 0..<100 {
      let g = min(max(p, -2), 2)
      v = 0.9 * v + 0.1 * g
      p -= 0.1 * (0.3 * g + 0.7 * v)
    }
    let (twice, once) = (try descend(.twoPass), try descend(.onePass))  // both p, but for roundings
    // end
    XCTAssertEqual(twice[0], p, accuracy: 1e-14)
    XCTAssertEqual(once[0], p, accuracy: 1e-14)
    XCTAssertNotEqual(p, 3)
  }

  func testTheCorrectionIsExact() throws {
    let rule = QuasiHyperbolic(learningRate: 0.5, momentum: 0.5, share: 0.5)
    let tensor = TensorState(gradientFactor: ScaledDouble(0.5), isFirstStep: true)
    var (program, correction) = (StepProgram(), StepProgram())
    let scale = rule.compile(tensor, into: &program)
    XCTAssertTrue(rule.compileCorrection(tensor, change: ScaledDouble(0.5), scale: scale, into: &correction))
    // With v = 0: p moves by -0.5·(0.5·0.5 + 0.5·0.25)·g, and a change of as much again by as much again.
    XCTAssertEqual(scale, 4096)
    XCTAssertEqual(
      program.operations,
      [
        .axpy(factor: ScaledDouble(0x1p-14), from: .gradient, into: .direction),
        .axpy(factor: ScaledDouble(-0.125), from: .gradient, into: .parameters),
        .axpy(factor: ScaledDouble(-1024), from: .direction, into: .parameters),
      ])
    XCTAssertEqual(
      correction.operations,
      [
        .axpy(factor: ScaledDouble(0x1p-14), from: .gradient, into: .direction),
        .axpy(factor: ScaledDouble(-0.1875), from: .gradient, into: .parameters),
      ])
  }

  func testItsSettingsAreChecked() {
    XCTAssertThrowsError(try QuasiHyperbolic(learningRate: 1, share: .nan).validate()) {
      XCTAssertEqual("\($0)", "share is nan; expected a finite number >= 0")
    }
  }
}

// snippet
struct QuasiHyperbolic: SchedulableRule {
  var learningRate: Double
  var momentum = 0.9
  var share = 0.7  // ν

  var convention: Convention { .native }
  var usesVelocity: Bool { true }

  func validate() throws(MomentumError) {
    for (name, value) in [("learningRate", learningRate), ("momentum", momentum), ("share", share)] {
      guard value >= 0, value.isFinite else {
        throw .invalidSetting(name: name, value: value, expected: .finiteAtLeast(0))
      }
    }
  }

  func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    let scale = program.decayVelocity(of: tensor, by: momentum)
    let entering = tensor.gradientFactor * (1 - momentum)
    program.append(.axpy(factor: entering / ScaledDouble(scale), from: .gradient, into: .direction))
    program.append(
      .axpy(factor: tensor.gradientFactor * (learningRate * (share - 1)), from: .gradient, into: .parameters))
    program.append(
      .axpy(factor: ScaledDouble(-learningRate * share) * scale, from: .direction, into: .parameters))
    return scale
  }

  func compileCorrection(
    _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
  ) -> Bool {
    program.append(.axpy(factor: change * (1 - momentum) / ScaledDouble(scale), from: .gradient, into: .direction))
    program.append(
      .axpy(factor: change * (learningRate * (share * momentum - 1)), from: .gradient, into: .parameters))
    return true
  }
}
// end
