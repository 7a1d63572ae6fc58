import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// What is printed, whole texts.
final class DescriptionTests: XCTestCase {
  private func makeRun() throws -> EngineRun<Float> {
    try EngineRun<Float>(
      [[0, 0, 0, 0], [0, 0]], rule: SGD(learningRate: 0.5, momentum: 0.9),
      groups: [ParameterGroup("biases", ["* 1"], clipping: .byGlobalNorm(20), learningRateFactor: 2)],
      clipping: .byGlobalNorm(18))
  }

  func testReports() throws {
    var run = try makeRun()
    let report = try run.step([[30, 0, 0, 0], [40, 0]])
    XCTAssertEqual(
      "\(report)",
      "step 1: norm 50.0, then norm \(1300.0.squareRoot()), clipped by \(18 / 1300.0.squareRoot()), "
        + "learning rate 0.5, momentum 0.9")
    let reports = run.optimizer.groupReports().map { "\($0)" }
    XCTAssertEqual(
      reports,
      [
        "no group, 1 tensor: norm 30.0, not clipped, learning rate 0.5, momentum 0.9",
        "group 'biases', 1 tensor: norm 40.0, clipped by 0.5, learning rate 1.0, momentum 0.9",
      ])
    let coefficient = 18 / 1300.0.squareRoot()
    XCTAssertEqual(
      run.optimizer.tensorReports().map { "\($0)" },
      [
        "tensor 'tensor 0': norm 30.0, clipped by \(coefficient)",
        "tensor 'tensor 1': norm 40.0, clipped by \(coefficient * 0.5)",
      ])
  }

  func testReportsOfUnusualSteps() throws {
    var skipping = try EngineRun<Float>([[0, 0, 0]], rule: SGD(learningRate: 1), policy: .skipStep)
    skipping.optimizer.lossScale = try .fixed(4)
    XCTAssertEqual(
      "\(try skipping.step([[.nan, .infinity, 1]]))",
      "step 0: skipped, norm nan, not clipped, 1 NaN, 1 infinite, learning rate 1.0, momentum 0.0, loss scale 4.0")
    var unmeasured = try EngineRun<Float>([[0]], rule: SGD(learningRate: 1), policy: .propagate)
    XCTAssertEqual(
      "\(try unmeasured.step([[1]]))", "step 1: norm not measured, not clipped, learning rate 1.0, momentum 0.0")
    XCTAssertEqual("\(unmeasured.optimizer.tensorReports()[0])", "tensor 'tensor 0': norm not measured, not clipped")
    var values = try EngineRun<Float>([[0, 0]], rule: SGD(learningRate: 1), clipping: .byValue(3))
    XCTAssertEqual(
      "\(try values.step([[5, 4]]).clip)",
      "norm \(41.0.squareRoot()), 2 clipped by value, then norm \(18.0.squareRoot()), not clipped")
    var tensors = try EngineRun<Float>([[0, 0], [0]], rule: SGD(learningRate: 1), clipping: .byNorm(5))
    XCTAssertEqual(
      "\(try tensors.step([[6, 8], [0]]).clip)", "norm 10.0, then norm 5.0, clipped in part")
    let huge = try clipped([[Double.greatestFiniteMagnitude, .greatestFiniteMagnitude]], by: .byGlobalNorm(1)).report
    XCTAssertTrue("\(huge)".hasPrefix("norm above Double, clipped by "), "\(huge)")
  }

  func testNorms() throws {
    XCTAssertEqual("\(try norm([[3.0, 4]]))", "norm 5.0")
    XCTAssertEqual("\(try norm([[Double.nan, .infinity, .infinity]]))", "norm nan, 1 NaN, 2 infinite")
    XCTAssertEqual("\(try norm([[0x1p1023, 0x1p1023, 0x1p1023, 0x1p1023]]))", "norm 1.0·2^1024, above Double")
    XCTAssertEqual("\(ScaledDouble(0.5))", "0.5")
    XCTAssertEqual("\(ScaledDouble(0))", "0.0")
    XCTAssertEqual("\(ScaledDouble(-1.5, exponent: -2000))", "-1.5·2^-2000")
    XCTAssertEqual((2.0 * ScaledDouble(1.5, exponent: 2000)).exponent, 2001)
  }

  func testPrograms() throws {
    var run = try EngineRun<Float>([[0]], rule: SGD(learningRate: 0.5, momentum: 0.5), clipping: .byGlobalNorm(1))
    try run.step([[2]])
    XCTAssertEqual(
      "\(run.optimizer.lastPrograms)",
      "[direction += 0.0001220703125 * gradient; parameters += -2048.0 * direction (reads 3, writes 2)]")
    XCTAssertEqual("\(StepProgram())", "no operation")
    let operations: [(StepOperation, String)] = [
      (.scal(factor: ScaledDouble(2), .average), "average *= 2.0"),
      (.copy(from: .parameters, into: .copy), "copy = parameters"),
      (.sign(.copy), "copy = sign(copy)"),
      (
        .averageSquares(decay: 0.5, factor: ScaledDouble(2), from: .gradient, into: .secondMoment),
        "secondMoment = 0.5 * secondMoment + (2.0 * gradient)^2"
      ),
      (.divideByRoot(of: .secondMoment, epsilon: ScaledDouble(1), .copy), "copy /= sqrt(secondMoment) + 1.0"),
      (.clearNonFinite(inPlace: false), "gradient (copy) = finite elements or 0"),
      (.clearNonFinite(inPlace: true), "gradient = finite elements or 0"),
      (.clamp(lower: -1, upper: 2, inPlace: true), "gradient = clamp to -1.0...2.0"),
    ]
    for (operation, text) in operations { XCTAssertEqual("\(operation)", text) }
  }

  func testRules() throws {
    let texts: [(any UpdateRule, String)] = try [
      (SGD(learningRate: 0.1), "SGD, learning rate 0.1"),
      (
        SGD(learningRate: 0.1, momentum: 9),
        "SGD, learning rate 0.1, momentum 9.0 (above 1: the velocity grows geometrically)"
      ),
      (
        SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.5, nesterov: true, maximize: true, convention: .keras),
        "SGD, learning rate 0.1, momentum 0.9, decoupled weight decay 0.5, Nesterov, ascending, convention keras"
      ),
      (
        SGD(learningRate: 0.1, momentum: 0.9, dampening: 0.25, weightDecay: 0.5),
        "SGD, learning rate 0.1, momentum 0.9, dampening 0.25, weight decay 0.5"
      ),
      (
        SGD.scheduled(learningRate: .linear(from: 1, to: 0, steps: 3), momentum: .linear(from: 0.5, to: 0.9, steps: 3)),
        "SGD, learning rate 1.0, momentum 0.5, learning rate and momentum scheduled"
      ),
      (
        LARS(learningRate: 2, weightDecay: 0.5),
        "LARS, learning rate 2.0, momentum 0.9, weight decay 0.5, trust coefficient 0.001"
      ),
      (
        NormalizedMomentum(learningRate: 2, nesterov: true, units: .firstAxis),
        "normalised momentum, learning rate 2.0, momentum 0.9, Nesterov, units firstAxis"
      ),
      (
        AdaptiveGradientClipping(LARS(learningRate: 2, momentum: 0, adapts: false)),
        "LARS, learning rate 2.0, without adapting, adaptive gradient clipping 0.01"
      ),
    ]
    for (rule, text) in texts { XCTAssertEqual("\(rule)", text) }
  }

  func testClips() throws {
    let texts: [(GradientClipping, String)] = try [
      (.none, "none"), (.measureOnly, "whole measured by its norm"),
      (
        GradientClipping(value: -5...5, tensor: .norm(2), whole: .norm(1)),
        "values to -5.0...5.0, each tensor to norm 2.0, whole to norm 1.0"
      ),
      (GradientClipping(tensor: .rootMeanSquare(1)), "each tensor to root mean square 1.0"),
      (GradientClipping(tensor: .unitNorm(1, .firstAxis)), "each unit (firstAxis) to norm 1.0"),
      (GradientClipping(whole: .target(3)), "whole scaled to norm 3.0"),
      (.byGlobalNorm(1, type: .l1), "whole to 1-norm 1.0"),
      (.byGlobalNorm(1, type: .infinity), "whole to inf-norm 1.0"),
    ]
    for (clipping, text) in texts { XCTAssertEqual("\(clipping)", text) }
  }

  func testStatesLayoutsAndExamples() throws {
    var run = try makeRun()
    try run.step([[30, 0, 0, 0], nil])
    XCTAssertEqual(
      "\(run.optimizer.state())", "after 1 step, 2 tensors: 1 with a velocity, none with an average")
    XCTAssertEqual("\(run.optimizer.layout)", "6 elements in 2 tensors: tensor 0 [4], tensor 1 [2]")
    XCTAssertEqual(
      "\(try ParameterLayout((0..<10).map { ("\($0)", [1]) }))",
      "10 elements in 10 tensors: 0 [1], 1 [1], 2 [1], 3 [1], 4 [1], 5 [1], 6 [1], 7 [1], and 2 more")
    XCTAssertEqual("\(try ParameterLayout(count: 1))", "1 element in 1 tensor: parameters [1]")
    func report(_ json: String) throws -> PerExampleReport {
      try JSONDecoder().decode(PerExampleReport.self, from: Data(json.utf8))
    }
    XCTAssertEqual(
      "\(try report(#"{"norms":[0.5,7.5,2],"clippedCounts":[2],"nonFiniteExamples":0,"wasSkipped":false}"#))",
      "3 examples of norms 0.5...7.5, 2 clipped")
    XCTAssertEqual(
      "\(try report(#"{"norms":[2],"clippedCounts":[0,1],"nonFiniteExamples":1,"wasSkipped":true}"#))",
      "1 example of norms 2.0...2.0, skipped, clipped by layer: 0, 1, 1 not finite")
  }

  func testOptimizers() throws {
    var run = try makeRun()
    try run.step([[30, 0, 0, 0], [40, 0]])
    XCTAssertEqual(
      run.optimizer.description,
      """
      Optimizer<Float>, 6 parameters in 2 tensors, step 1
      rule: SGD, learning rate 0.5, momentum 0.9
      group 'biases' (1 tensor): learning rate times 2.0; clipping: whole to norm 20.0
      clipping: whole to norm 18.0
      non-finite gradients: throw
      """)
    let optimizer = try Optimizer<Double>(
      ParameterLayout(count: 1), rule: SGD(learningRate: 1),
      groups: [
        ParameterGroup("all", ["*"]), ParameterGroup("own", ["x"], rule: SGD(learningRate: 2), mayBeEmpty: true),
      ],
      nonFinitePolicy: .propagate, mode: .twoPass, averaging: .exponential(decay: 0.5), lossScale: .pytorch,
      adaptiveLimit: .autoClip(AutoClip(percentile: 10)))
    XCTAssertEqual(
      optimizer.description,
      """
      Optimizer<Double>, 1 parameter in 1 tensor, step 0
      rule: SGD, learning rate 1.0
      group 'all' (1 tensor): as all others
      group 'own' (0 tensors): SGD, learning rate 2.0
      clipping: none
      non-finite gradients: skipStep
      averaging: exponential, decay 0.5
      adaptive limit: AutoClip
      loss scale: 65536.0, dynamic
      """)
  }
}
