import MomentumTestSupport
import XCTest

@testable import Momentum

/// Rules of other packages: what they must not compile is refused before anything is written, and a scale that runs away
/// is caught.
final class ForeignRuleTests: XCTestCase {
  /// A rule whose program is whatever a test wants.
  private struct Foreign: UpdateRule {
    var convention = Convention.native
    var usesVelocity = false
    var operations: [StepOperation] = []
    var scale: Double?
    var corrects = false

    func validate() throws(MomentumError) {}
    func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
      for operation in operations { program.append(operation) }
      return scale ?? tensor.velocityScale
    }
    func compileCorrection(
      _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
    ) -> Bool {
      if corrects { for operation in operations { program.append(operation) } }
      return corrects
    }
  }

  private static let one = ScaledDouble(1)

  /// Expects a refusal that leaves parameters, gradients and counts as they were.
  private func refuse(
    _ rule: Foreign, _ text: String, clipping: GradientClipping = .none, averaging: WeightAveraging? = nil,
    mode: StepMode = .twoPass, line: UInt = #line
  ) throws {
    let layout = try ParameterLayout([("w", [3000]), ("b", [5])])
    var optimizer = try Optimizer<Float>(
      layout, rule: rule, clipping: clipping, nonFinitePolicy: mode == .onePass ? .propagate : .throw, mode: mode,
      averaging: averaging)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    parameters.fill(2)
    gradients.fill(3)
    expect(text, line: line) { try optimizer.step(&parameters, gradients: gradients) }
    XCTAssertEqual(optimizer.stepCount, 0, line: line)
    for index in [0, 2999, 3000, 3004] {
      XCTAssertEqual(parameters[index], 2, line: line)
      XCTAssertEqual(gradients[index], 3, line: line)
    }
  }

  /// Whether a rule can correct steps is known before the first.
  func testPreparationFindsThatARuleCannotCorrect() throws {
    let add = StepOperation.axpy(factor: Self.one, from: .gradient, into: .parameters)
    for corrects in [false, true] {
      var optimizer = try Optimizer<Float>(
        ParameterLayout([("w", [30]), ("b", [5])]), rule: Foreign(operations: [add], corrects: corrects),
        nonFinitePolicy: .propagate, mode: .onePass)
      if corrects {
        try optimizer.prepare()
      } else {
        expect("mode is onePass; expected twoPass for this update rule") { try optimizer.prepare() }
        optimizer.mode = .twoPass
        try optimizer.prepare()
      }
      XCTAssertEqual(optimizer.lastPrograms, [])
    }
  }

  /// A rule that looks at shapes gets a program for each of them, in neighbouring tensors too.
  func testProgramsOfEveryShape() throws {
    struct ByRows: UpdateRule {
      var convention: Convention { .native }
      var usesVelocity: Bool { false }
      func validate() throws(MomentumError) {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        program.append(.axpy(factor: ScaledDouble(Double(tensor.rows)), from: .gradient, into: .parameters))
        return tensor.velocityScale
      }
    }
    let layout = try ParameterLayout([("a", [2, 1]), ("b", [1, 2]), ("c", [1, 2])])
    var optimizer = try Optimizer<Float>(layout, rule: ByRows())
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(1)
    try optimizer.step(&parameters, gradients: gradients)
    XCTAssertEqual((0..<6).map { parameters[$0] }, [2, 2, 1, 1, 1, 1])
    XCTAssertEqual(optimizer.lastPrograms.count, 2)
  }

  func testAWrittenGradient() throws {
    let words = "of the update rule's program of tensor 'w' writes the gradient; expected it to be read only"
    for operation in [
      StepOperation.scal(factor: Self.one, .gradient), .copy(from: .parameters, into: .gradient),
      .axpy(factor: Self.one, from: .parameters, into: .gradient), .clearNonFinite(inPlace: true),
      .clamp(lower: -1, upper: 1, inPlace: true),
    ] {
      try refuse(Foreign(operations: [operation]), "operation 0 \(words)")
      // The engine's own operations come first.
      try refuse(Foreign(operations: [operation]), "operation 1 \(words)", clipping: .byValue(1))
    }
  }

  func testADirectionWithoutAVelocity() throws {
    let words = "of the update rule's program of tensor 'w' uses the direction; expected usesVelocity to be true"
    try refuse(
      Foreign(operations: [.axpy(factor: Self.one, from: .gradient, into: .direction)]), "operation 0 \(words)")
    try refuse(
      Foreign(operations: [
        .copy(from: .parameters, into: .copy), .axpy(factor: Self.one, from: .direction, into: .parameters),
      ]), "operation 1 \(words)")
  }

  func testASecondMomentThatTheRuleDoesNotKeep() throws {
    let words = "uses the second moment; expected usesSecondMoment to be true"
    for operation in [
      StepOperation.averageSquares(decay: 0.5, factor: Self.one, from: .gradient, into: .secondMoment),
      .divideByRoot(of: .secondMoment, epsilon: Self.one, .copy), .sign(.secondMoment),
    ] {
      try refuse(
        Foreign(operations: [operation]), "operation 0 of the update rule's program of tensor 'w' \(words)")
    }
  }

  func testTheAverage() throws {
    let words =
      "of the update rule's program of tensor 'w' uses the average; expected it to be left to the optimizer's averaging"
    for averaging in [nil, try WeightAveraging.exponential(decay: 0.9)] {
      try refuse(
        Foreign(operations: [.axpy(factor: Self.one, from: .average, into: .parameters)]), "operation 0 \(words)",
        averaging: averaging)
      try refuse(
        Foreign(operations: [.copy(from: .parameters, into: .average)]), "operation 0 \(words)", averaging: averaging)
    }
  }

  func testUnitsAreScaledByTheEngine() throws {
    try refuse(
      Foreign(operations: [.scaleUnits(.rule, inPlace: false)]),
      "operation 0 of the update rule's program of tensor 'w' scales units; expected unitFactor(gradientNorm:parameterNorm:) to do so"
    )
  }

  func testBounds() throws {
    for (lower, upper) in [(1.0, -1.0), (.nan, 1), (-1, .nan)] {
      try refuse(
        Foreign(operations: [.clamp(lower: lower, upper: upper, inPlace: false)]),
        "operation 0 of the update rule's program of tensor 'w' clamps to \(lower)...\(upper); expected a lower bound at most the upper one"
      )
    }
  }

  func testScales() throws {
    for scale in [Double.nan, .infinity, 0, -1] {
      try refuse(
        Foreign(usesVelocity: true, scale: scale),
        "the update rule's program of tensor 'w' returned the velocity scale \(scale); expected a positive, finite number"
      )
    }
  }

  func testTooManyOperations() throws {
    let operation = StepOperation.axpy(factor: ScaledDouble(0), from: .gradient, into: .parameters)
    let text =
      "the update rule's program of tensor 'w' has too many operations; expected at most 24, those of clipping and averaging included"
    try refuse(Foreign(operations: Array(repeating: operation, count: 25)), text)
    try refuse(Foreign(operations: Array(repeating: operation, count: 100)), text)
    try refuse(Foreign(operations: Array(repeating: operation, count: 24)), text, clipping: .byValue(1))
    try refuse(
      Foreign(operations: Array(repeating: operation, count: 24)), text, averaging: .exponential(decay: 0.9))
    var run = try EngineRun<Float>([[1]], rule: Foreign(operations: Array(repeating: operation, count: 24)))
    XCTAssertNoThrow(try run.step([[1]]), "24 are not too many")
  }

  func testAProgramOfAnotherStepIsCheckedAsAWhole() throws {
    /// Puts a program that some step has left in the place of its own.
    struct Recorded: UpdateRule {
      var program: StepProgram
      var convention: Convention { .native }
      var usesVelocity: Bool { false }
      func validate() throws(MomentumError) {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        program = self.program
        return 1
      }
    }
    func recorded(_ clipping: GradientClipping) throws -> StepProgram {
      let layout = try ParameterLayout([("w", [4, 2])])
      var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1), clipping: clipping)
      var parameters = try ParameterVector<Float>(layout)
      var gradients = try ParameterVector<Float>(layout)
      gradients.fill(3)
      try optimizer.step(&parameters, gradients: gradients)
      return try XCTUnwrap(optimizer.lastPrograms.first)
    }
    let scaling = try recorded(.byNorm(0.5, of: .firstAxis))
    XCTAssertEqual(scaling.count, 2)
    let text = "operation 0 of the update rule's program of tensor 'tensor 0' scales units"
    for clipping in try [GradientClipping.none, .byValue(1)] {
      var run = try EngineRun<Float>([[1, 2]], rule: Recorded(program: scaling), clipping: clipping)
      XCTAssertThrowsError(try run.step([[3, 4]])) { XCTAssertTrue("\($0)".hasPrefix(text), "\($0)") }
      XCTAssertEqual(run.parameters, [[1, 2]])
      // One that clips by value itself.
      var clamping = try EngineRun<Float>([[1, 2]], rule: Recorded(program: recorded(.byValue(1))), clipping: clipping)
      try clamping.step([[3, 4]])
      XCTAssertEqual(clamping.parameters, [[0, 1]])
      // What the engine has put before the rule's operations must stay, with the bounds of this step.
      for program in [StepProgram(), try recorded(.none), try recorded(.byValue(2))] {
        var run = try EngineRun<Float>([[1, 2]], rule: Recorded(program: program), clipping: clipping)
        if clipping.isEmpty {
          XCTAssertNoThrow(try run.step([[3, 4]]))
        } else {
          expect(
            "operation 0 of the update rule's program of tensor 'tensor 0' is not the one that clips or clears the gradient there; expected the rule to append to the program that it gets"
          ) { try run.step([[3, 4]]) }
          XCTAssertEqual(run.parameters, [[1, 2]])
        }
      }
    }
  }

  func testCorrectionsAreCheckedBeforeAnythingIsWritten() throws {
    // The step itself is sound, and would be taken tile by tile before the norm is known.
    struct Unsound: UpdateRule {
      var convention: Convention { .native }
      var usesVelocity: Bool { false }
      func validate() throws(MomentumError) {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        program.append(.axpy(factor: ScaledDouble(-1), from: .gradient, into: .parameters))
        return 1
      }
      func compileCorrection(
        _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
      ) -> Bool {
        program.append(.axpy(factor: change, from: .direction, into: .parameters))
        return true
      }
    }
    var run = try EngineRun<Float>(
      [[1, 2]], rule: Unsound(), clipping: .byGlobalNorm(1), policy: .propagate, mode: .onePass)
    expect(
      "operation 0 of the update rule's program of tensor 'tensor 0' uses the direction; expected usesVelocity to be true"
    ) { try run.step([[3, 4]]) }
    XCTAssertEqual(run.parameters, [[1, 2]])
  }

  func testAScaleThatRunsAwayIsFolded() throws {
    /// Halves or doubles its scale each step and never folds.
    struct Runaway: UpdateRule {
      var factor: Double
      var convention: Convention { .native }
      var usesVelocity: Bool { true }
      func validate() throws(MomentumError) {}
      func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
        let scale = tensor.isFirstStep ? 1 : tensor.velocityScale * factor
        program.append(.axpy(factor: tensor.gradientFactor / ScaledDouble(scale), from: .gradient, into: .direction))
        program.append(.axpy(factor: ScaledDouble(-scale), from: .direction, into: .parameters))
        return scale
      }
    }
    for factor in [0.5, 0.001, 1e-30] {
      var run = try EngineRun<Float>([[0]], rule: Runaway(factor: factor))
      var (v, p) = (0.0, 0.0)
      for _ in 0..<400 {
        try run.step([[1]])
        v = factor * v + 1
        p -= v
        XCTAssertEqual(Double(run.parameters[0][0]), p, accuracy: 1e-5 * abs(p))
      }
    }
  }
}
