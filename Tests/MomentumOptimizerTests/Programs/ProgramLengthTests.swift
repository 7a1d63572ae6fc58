import MomentumTestSupport
import XCTest

@testable import Momentum

/// The longest programs that the rules of this library make, with every clip and averaging.
final class ProgramLengthTests: XCTestCase {
  /// Rules with everything on, and each thing that makes a program shorter or of another kind.
  private func rules() throws -> [any UpdateRule] {
    var rules: [any UpdateRule] = []
    var settings: [(nesterov: Bool, momentum: Double, decay: Double)] = []
    for nesterov in [false, true] {
      for momentum in [0, 0.5, 0.95, 2] { for decay in [0, 0.25] { settings.append((nesterov, momentum, decay)) } }
    }
    for convention in Convention.allCases {
      for (nesterov, momentum, decay) in settings {
        // Not every convention takes every setting.
        let some: [(any UpdateRule)?] = [
          try? SGD(
            learningRate: 0.1, momentum: momentum, weightDecay: decay, nesterov: nesterov, convention: convention),
          try? SGD(
            learningRate: 0.1, momentum: momentum, weightDecay: decay, decoupledWeightDecay: true, nesterov: nesterov,
            convention: convention),
          try? LARS(
            learningRate: 0.1, momentum: momentum, weightDecay: decay, nesterov: nesterov, convention: convention),
          try? Signum(
            learningRate: 0.1, momentum: momentum, weightDecay: decay, nesterov: nesterov, convention: convention),
          try? NormalizedMomentum(
            learningRate: 0.1, momentum: momentum, weightDecay: decay, nesterov: nesterov, convention: convention),
          try? Lion(learningRate: 0.1, weightDecay: decay, convention: convention),
          try? Lion(learningRate: 0.1, beta1: 0, beta2: 0.5, weightDecay: decay, convention: convention),
          try? AdamW(learningRate: 0.1, weightDecay: decay, convention: convention),
          try? AdamW(learningRate: 0.1, weightDecay: decay, biasCorrection: false, convention: convention),
          try? Muon(
            learningRate: 0.1, momentum: momentum, nesterov: nesterov, weightDecay: decay, convention: convention),
          try? Muon(
            learningRate: 0.1, momentum: momentum, nesterov: nesterov, weightDecay: decay,
            method: .newtonSchulz(NewtonSchulz([.init(1, 0, 0)], epsilon: 1e-3)), convention: convention),
        ]
        rules += some.compactMap { $0 }
      }
    }
    XCTAssertGreaterThan(rules.count, 5 * 16 * 8)
    return rules
  }

  private func states() -> [TensorState] {
    var states: [TensorState] = []
    for scale in [1, 1.5, 4096, 0x1p-12] {
      for (isFirst, step) in [(true, 1), (false, 2), (false, 14)] {
        states.append(
          TensorState(
            gradientFactor: ScaledDouble(0.3), velocityScale: scale, isFirstStep: isFirst,
            unitFactor: ScaledDouble(0.7), secondMomentSteps: step - 1, step: step, shape: [2, 3]))
      }
    }
    return states
  }

  /// What averaging appends at most.
  private func longestAveraging() throws -> Int {
    var longest = 0
    for averaging in [
      try WeightAveraging.exponential(decay: 0.9, overwriteEvery: 1), try .exponential(decay: 0, overwriteEvery: 1),
      try .exponential(decay: 1, overwriteEvery: 1), try WeightAveraging(.mean, overwriteEvery: 1),
    ] {
      for (scale, count) in [(1.0, 0), (1, 1), (1, 5000), (1.5, 3), (4096, 9)] {
        var (state, program) = (AverageState(), StepProgram())
        (state.scale, state.count) = (scale, count)
        _ = averaging.compile(state, step: 1, into: &program)
        longest = max(longest, program.count)
      }
    }
    return longest
  }

  /// Longer than the 16 operations that a program once held.
  func testTheLongestProgramFits() throws {
    // As the engine puts them before the operations of a rule.
    let clips: [StepOperation] = [
      .clearNonFinite(inPlace: false), .clamp(lower: -1, upper: 1, inPlace: false),
      .scaleUnits(.clipping, inPlace: false),
      .scaleUnits(.rule, inPlace: false),
    ]
    let averaging = try longestAveraging()
    var longest = (count: 0, program: "")
    for rule in try rules() {
      for state in states() {
        for keepsDigits in [false, true] {
          var program = StepProgram()
          for clip in clips { program.append(clip) }
          program.keepsDigitsOfDirection = keepsDigits
          let scale = rule.compile(state, into: &program)
          XCTAssertFalse(program.isTruncated, "\(rule)")
          // The engine folds a scale that runs away.
          let folded = (StepProgram.leastScale...StepProgram.largestScale).contains(scale) || !rule.usesVelocity ? 0 : 1
          let count = program.count + folded + averaging
          if count > longest.count { longest = (count, "\(rule): \(program)") }
        }
      }
    }
    XCTAssertGreaterThan(longest.count, 16)
    XCTAssertLessThanOrEqual(longest.count, StepProgram.capacity, longest.program)
  }

  /// The fold of the velocity comes in the 14th step, and with it the 17th operation.
  func testARunWithEverythingOnGoesOn() throws {
    let rule = try AdaptiveGradientClipping(
      Muon(learningRate: 0.1, momentum: 0.5, convention: .pytorch), factor: 0.1)
    var optimizer = try Optimizer<Float>(
      ParameterLayout([("w", [2, 3])]), rule: rule,
      clipping: GradientClipping(value: -1...1, tensor: .unitNorm(1, .firstAxis)), nonFinitePolicy: .zero,
      averaging: .exponential(decay: 0.9, overwriteEvery: 1))
    let gradients: [Float] = [.nan, 3, 3, 3, 3, 3]
    var parameters: [Float] = [1, 2, 3, 4, 5, 6]
    var longest = 0
    for _ in 0..<40 {
      var span = parameters.mutableSpan
      try optimizer.step(&span, gradients: gradients.span)
      longest = max(longest, optimizer.lastPrograms.map(\.count).max() ?? 0)
    }
    XCTAssertEqual(longest, 17)
    XCTAssertTrue(parameters.allSatisfy(\.isFinite))
  }
}
