import Foundation
import Momentum
import MomentumTestSupport
import XCTest

final class OptimizerConfigurationTests: XCTestCase {
  private func decode(_ json: String) throws -> OptimizerConfiguration {
    try JSONDecoder().decode(OptimizerConfiguration.self, from: Data(json.utf8))
  }

  private let full = """
    {
      "convention": "pytorch",
      "rule": {
        "learningRate": {"warmup": {"steps": 2, "then": {"cosine": {"initial": 0.5, "steps": 8}}}},
        "momentum": 0.5, "dampening": 0.25, "weightDecay": 0.125, "decoupledWeightDecay": true, "maximize": true
      },
      "groups": [
        {"name": "biases", "patterns": ["*.bias", "scale"], "rule": {"weightDecay": 0, "learningRate": 0.25}},
        {"name": "heads", "patterns": ["head.*"], "clipping": {"value": [-1, "inf"], "globalNorm": 2, "algorithm": "portable"}}
      ],
      "clipping": {"value": 4, "norm": 3, "globalNorm": "inf", "normType": 2, "algorithm": "portable"},
      "averaging": {"kind": "exponential", "decay": 0.75, "overwriteEvery": 3},
      "nonFinitePolicy": "skipStep", "mode": "twoPass"
    }
    """

  private let layout: [(name: String, shape: [Int])] = [
    ("body.weight", [2, 2]), ("body.bias", [2]), ("head.weight", [2]), ("head.bias", [1]),
  ]

  func testEverythingIsDecoded() throws {
    let configuration = try decode(full)
    XCTAssertEqual(configuration.convention, .pytorch)
    XCTAssertEqual(
      configuration.clipping,
      try GradientClipping(value: -4...4, norm: 3, globalNorm: .infinity, algorithm: .portable))
    XCTAssertEqual(configuration.averaging, try .exponential(decay: 0.75, overwriteEvery: 3))
    XCTAssertEqual(configuration.nonFinitePolicy, .skipStep)
    XCTAssertEqual(configuration.groups.map(\.name), ["biases", "heads"])
    XCTAssertEqual(
      configuration.groups[1].clipping,
      try GradientClipping(value: -1...(.infinity), globalNorm: 2, algorithm: .portable))

    let rule = try XCTUnwrap(configuration.rule.makeRule(.pytorch) as? Scheduled<SGD>)
    var expected = try SGD(
      learningRate: 0.25, momentum: 0.5, dampening: 0.25, weightDecay: 0.125, decoupledWeightDecay: true,
      maximize: true, convention: .pytorch)
    XCTAssertEqual(try rule.resolved(at: 1) as? SGD, expected)
    expected.learningRate = 0.5
    XCTAssertEqual(try rule.resolved(at: 2) as? SGD, expected)
  }

  func testTheOptimizerIsTheOneThatIsDescribed() throws {
    let layout = try ParameterLayout(layout)
    var made: Optimizer<Double> = try decode(full).makeOptimizer(layout, threads: 1)
    let schedule = try Schedule.warmup(steps: 2, then: .cosine(initial: 0.5, steps: 8))
    func sgd(_ weightDecay: Double, _ learningRate: Double) throws -> SGD {
      try SGD(
        learningRate: learningRate, momentum: 0.5, dampening: 0.25, weightDecay: weightDecay,
        decoupledWeightDecay: true, maximize: true, convention: .pytorch)
    }
    var byHand = try Optimizer<Double>(
      layout, rule: Scheduled(sgd(0.125, 0), learningRate: schedule),
      groups: [
        ParameterGroup("biases", ["*.bias", "scale"], rule: sgd(0, 0.25)),
        ParameterGroup(
          "heads", ["head.*"],
          clipping: try GradientClipping(value: -1...(.infinity), globalNorm: 2, algorithm: .portable)),
      ],
      clipping: GradientClipping(value: -4...4, norm: 3, globalNorm: .infinity, algorithm: .portable),
      nonFinitePolicy: .skipStep, averaging: .exponential(decay: 0.75, overwriteEvery: 3), threads: 1)

    var generator = SeededGenerator(seed: 41)
    let start: [Double] = generator.numbers(layout.count)
    var first = try ParameterVector<Double>(layout)
    var second = try ParameterVector<Double>(layout)
    for index in 0..<layout.count { (first[index], second[index]) = (start[index], start[index]) }
    for step in 0..<8 {
      var gradients = try ParameterVector<Double>(layout)
      for index in 0..<layout.count { gradients[index] = step == 4 ? .infinity : 8 * generator.uniform() }
      XCTAssertEqual(
        try made.step(&first, gradients: gradients), try byHand.step(&second, gradients: gradients), "step \(step)")
      XCTAssertEqual(made.state(), byHand.state())
      for index in 0..<layout.count { XCTAssertEqual(first[index], second[index]) }
    }
  }

  func testALearningRateIsEnough() throws {
    let configuration = try decode(#"{"rule": {"learningRate": 0.5}}"#)
    XCTAssertEqual(try configuration.rule.makeRule(.native) as? SGD, try SGD(learningRate: 0.5))
    XCTAssertEqual(configuration.convention, .native)
    XCTAssertEqual(configuration.clipping, .none)
    XCTAssertEqual(configuration.mode, .twoPass)
    XCTAssertNil(configuration.averaging)
    XCTAssertNil(configuration.nonFinitePolicy)
    XCTAssertTrue(configuration.groups.isEmpty)
  }

  func testWhatIsEncodedDecodesToTheSame() throws {
    for json in [
      full,
      #"{"rule": {"learningRate": 0.1, "nesterov": true, "momentum": {"linear": {"from": 0.5, "to": 0.9, "steps": 9}}}}"#,
      #"{"rule": {"learningRate": 1}, "clipping": {"value": [0, 2], "normType": "inf"}, "averaging": {"kind": "mean"}}"#,
      #"{"rule": {"learningRate": 1}, "clipping": {"globalNorm": 1}, "nonFinitePolicy": "zero", "mode": "onePass"}"#,
    ] {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      let configuration = try decode(json)
      let encoded = try encoder.encode(configuration)
      let again = try JSONDecoder().decode(OptimizerConfiguration.self, from: encoded)
      XCTAssertEqual(try encoder.encode(again), encoded, json)
      XCTAssertEqual(again.clipping, configuration.clipping)
      XCTAssertEqual(again.averaging, configuration.averaging)
      XCTAssertEqual(again.mode, configuration.mode)
    }
  }

  func testWhatIsWrongIsNamedByItsPath() {
    let table: [(json: String, path: String, text: String)] = [
      (#"{"rule": {"learningRate": 1}, "clip": 1}"#, "", "unknown key 'clip'; expected some of 'convention', 'rule'"),
      (#"{"rule": {"lr": 1}}"#, "rule", "unknown key 'lr'"),
      (#"{"rule": {}}"#, "rule", "learningRate is missing; expected a number or a schedule"),
      (#"{"rule": {"learningRate": -1}}"#, "rule.learningRate", "is -1.0; expected a finite number >= 0"),
      (#"{"rule": {"learningRate": 1, "dampening": 2}}"#, "rule", "dampening is 2.0; expected a number in 0...1"),
      (#"{"rule": {"learningRate": 1, "nesterov": true}}"#, "rule", "nesterov is true with momentum 0.0"),
      (
        #"{"rule": {"learningRate": {"cosine": {"initial": 1, "steps": 0}}}}"#, "rule.learningRate.cosine",
        "steps of a cosine schedule is 0; expected at least 1"
      ),
      (#"{"convention": "caffe", "rule": {"learningRate": 1}}"#, "convention", "caffe"),
      (#"{"rule": {"learningRate": 1}, "mode": "threePass"}"#, "mode", "threePass"),
      (#"{"rule": {"learningRate": 1}, "nonFinitePolicy": "skip"}"#, "nonFinitePolicy", "skip"),
      (#"{"rule": {"learningRate": 1}, "clipping": {"norms": 1}}"#, "clipping", "unknown key 'norms'"),
      (#"{"rule": {"learningRate": 1}, "clipping": {"norm": -1}}"#, "clipping", "clip norm is -1.0"),
      (
        #"{"rule": {"learningRate": 1}, "clipping": {"globalNorm": "one"}}"#, "clipping.globalNorm",
        "'one' is no number"
      ),
      (#"{"rule": {"learningRate": 1}, "clipping": {"value": -1}}"#, "clipping.value", "clip value is [1.0, -1.0]"),
      (#"{"rule": {"learningRate": 1}, "clipping": {"value": [1]}}"#, "clipping.value", "clip value is [1.0]"),
      (#"{"rule": {"learningRate": 1}, "clipping": {"norm": 1, "normType": 0}}"#, "clipping", "normType is 0.0"),
      (#"{"rule": {"learningRate": 1}, "averaging": {"kind": "ema"}}"#, "averaging", "kind is 'ema'"),
      (#"{"rule": {"learningRate": 1}, "averaging": {"kind": "exponential"}}"#, "averaging", "without 'decay'"),
      (#"{"rule": {"learningRate": 1}, "averaging": {"kind": "mean", "decay": 0}}"#, "averaging", "a mean has no"),
      (
        #"{"rule": {"learningRate": 1}, "averaging": {"kind": "exponential", "decay": 2}}"#, "averaging",
        "decay of the average is 2.0"
      ),
      (
        #"{"rule": {"learningRate": 1}, "groups": [{"name": "a", "patterns": []}, {"name": "b", "pattern": "*"}]}"#,
        "groups.1", "unknown key 'pattern'"
      ),
      (
        #"{"rule": {"learningRate": 1}, "groups": [{"name": "a", "patterns": [], "rule": {"momentum": 0.5, "dampening": 7}}]}"#,
        "groups.0.rule", "dampening is 7.0"
      ),
      (
        #"{"rule": {"learningRate": 1}, "groups": [{"name": "a", "patterns": [], "clipping": {"norm": 1, "normType": 1}}], "clipping": {"norm": 1}}"#,
        "", "norm type of group 'a' is 1.0 (blas); expected 2.0 (blas)"
      ),
      (
        #"{"rule": {"learningRate": 1}, "mode": "onePass"}"#, "",
        "mode is onePass; expected twoPass with the policy throw"
      ),
      (
        #"{"convention": "keras", "rule": {"learningRate": 1}, "clipping": {"value": 1, "norm": 1}}"#, "",
        "clipping is 2 kinds at once"
      ),
    ]
    for row in table {
      XCTAssertThrowsError(try decode(row.json), row.json) {
        guard case DecodingError.dataCorrupted(let context) = $0 else { return XCTFail("\(row.json): \($0)") }
        XCTAssertTrue(context.debugDescription.contains(row.text), "\(row.json): \(context.debugDescription)")
        let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
        XCTAssertEqual(path.joined(separator: "."), row.path, row.json)
      }
    }
    for json in [
      "{}", "[]", #"{"rule": {"learningRate": 1, "momentum": "much"}}"#,
      #"{"rule": {"learningRate": 1}, "groups": [{"name": "a"}]}"#,
    ] {
      XCTAssertThrowsError(try decode(json), json) { XCTAssertTrue($0 is DecodingError, "\($0)") }
    }
  }

  func testAPatternWithoutATensorIsRefusedWithTheLayout() throws {
    let configuration = try decode(
      #"{"rule": {"learningRate": 1}, "groups": [{"name": "typo", "patterns": ["boddy.*"]}]}"#)
    let layout = try ParameterLayout(layout)
    expect(
      "group 'typo' is [\"boddy.*\"]; expected patterns of which one matches the name of a tensor that is in no earlier group"
    ) {
      let optimizer: Optimizer<Float> = try configuration.makeOptimizer(layout)
      return optimizer.stepCount
    }
  }
}
