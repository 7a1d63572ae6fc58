import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A state that is saved after any step of any run leaves no trace in the run, and a run that goes on from it has the
/// bits of one that was never interrupted.
final class ExactSaveTests: FolderTestCase {
  private static let shapes = [[3], [2, 2], [0], [17]]

  /// One run of random settings, with its gradients.
  private struct Case<S: BLASScalar> {
    let make: () throws -> Optimizer<S>
    let description: String
    let start: [S]
    let gradients: [[S]]
    /// The number of steps before the state is saved.
    let saved: Int

    init(_ random: inout SeededGenerator) throws {
      func choice<T>(_ values: [T]) -> T { values.randomElement(using: &random)! }
      let onePass = choice([true, false, false])
      let momentum = choice([0, 0.5, 0.9, 0.99, 1, 2])
      let convention = momentum > 1 ? choice([.native, .pytorch, .optax, .mlx]) : choice(Convention.allCases)
      let nesterov = momentum > 0 && choice([true, false])
      let sgd = try SGD(
        learningRate: choice([0.125, 0.1]), momentum: momentum, weightDecay: choice([0, 0.01]), nesterov: nesterov,
        convention: convention)
      let rule: any UpdateRule =
        switch onePass ? 0 : choice([0, 0, 1]) {
        case 1: try AdaptiveGradientClipping(sgd, factor: 0.5)
        default: sgd
        }
      let averaging: WeightAveraging? =
        switch onePass ? 0 : choice([0, 1, 2, 3]) {
        case 1: try .exponential(decay: choice([0.5, 0.9]))
        case 2: try WeightAveraging(.mean)
        case 3: try .exponential(decay: 0.75, overwriteEvery: 3)
        default: nil
        }
      let clipping: GradientClipping = choice([true, false]) ? try .byGlobalNorm(choice([2, 6])) : .none
      let layout = try ParameterLayout(ExactSaveTests.shapes.enumerated().map { ("tensor \($0)", $1) })
      make = {
        try Optimizer(
          layout, rule: rule, clipping: clipping, nonFinitePolicy: .propagate, mode: onePass ? .onePass : .twoPass,
          averaging: averaging)
      }
      let (before, after) = (choice(Array(0...16)), choice([1, 2, 5]))
      saved = before
      start = random.numbers(layout.count)
      gradients = (0..<before + after).map { _ in random.numbers(layout.count) }
      description =
        "\(rule), \(clipping), \(String(describing: averaging)), one pass: \(onePass), after \(before) steps"
    }
  }

  func testAThousandPointsFloatAndDouble() throws {
    var random = SeededGenerator(seed: 97)
    var withScale = 0
    for _ in 0..<500 {
      withScale += try leavesNoTrace(Case<Float>(&random))
      withScale += try leavesNoTrace(Case<Double>(&random))
    }
    XCTAssertGreaterThan(withScale, 300, "states whose scale is 1 prove nothing")
  }

  /// Returns 1 if the state had a scale other than 1.
  private func leavesNoTrace<S: BLASScalar & SafetensorsScalar>(_ run: Case<S>) throws -> Int {
    var whole = try run.make()
    var savedRun = try run.make()
    var resumed = try run.make()
    var (a, b) = (run.start, run.start)
    for gradient in run.gradients[..<run.saved] {
      try step(&whole, &a, gradient)
      try step(&savedRun, &b, gradient)
    }
    try StateFile.save(savedRun, to: path("state"))
    // What the resumed optimizer remembered before must not matter.
    var c = run.start
    try step(&resumed, &c, run.gradients[0])
    try StateFile.load(path("state"), into: &resumed)
    let state = whole.state()
    XCTAssertEqual(savedRun.state(), state, run.description)
    XCTAssertEqual(resumed.state(), state, run.description)
    c = b
    for gradient in run.gradients[run.saved...] {
      try step(&whole, &a, gradient)
      try step(&savedRun, &b, gradient)
      try step(&resumed, &c, gradient)
    }
    assertSameBits(a, b, seed: 97, run.description)
    assertSameBits(a, c, seed: 97, run.description)
    XCTAssertEqual(savedRun.state(), whole.state(), run.description)
    XCTAssertEqual(resumed.state(), whole.state(), run.description)
    return state.velocities.contains { $0.scale != 1 } || state.averages.contains { $0.scale != 1 } ? 1 : 0
  }

  private func step<S: BLASScalar>(_ optimizer: inout Optimizer<S>, _ parameters: inout [S], _ gradients: [S]) throws {
    _ = try parameters.withUnsafeMutableBufferPointer { parameters in
      try gradients.withUnsafeBufferPointer { try optimizer.step(parameters: parameters, gradients: $0) }
    }
  }
}
