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
      try GradientClipping(value: -4...4, tensor: .norm(3), whole: .norm(.infinity), algorithm: .portable))
    XCTAssertEqual(configuration.averaging, try .exponential(decay: 0.75, overwriteEvery: 3))
    XCTAssertEqual(configuration.nonFinitePolicy, .skipStep)
    XCTAssertEqual(configuration.groups.map(\.name), ["biases", "heads"])
    XCTAssertEqual(
      configuration.groups[1].clipping,
      try GradientClipping(value: -1...(.infinity), whole: .norm(2), algorithm: .portable))

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
          clipping: try GradientClipping(value: -1...(.infinity), whole: .norm(2), algorithm: .portable)),
      ],
      clipping: GradientClipping(value: -4...4, tensor: .norm(3), whole: .norm(.infinity), algorithm: .portable),
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

  func testWhatAdaptsFromStepToStep() throws {
    let configuration = try decode(
      #"{"rule": {"learningRate": 1}, "lossScale": "keras", "adaptiveClipping": {"autoClip": {"percentile": 5}}}"#)
    let optimizer: Optimizer<Float> = try configuration.makeOptimizer(ParameterLayout(count: 1))
    XCTAssertEqual(optimizer.lossScale, .keras)
    XCTAssertEqual(optimizer.adaptiveLimit, .autoClip(try AutoClip(percentile: 5)))
    let plain: Optimizer<Float> = try decode(#"{"rule": {"learningRate": 1}}"#).makeOptimizer(ParameterLayout(count: 1))
    XCTAssertEqual(plain.lossScale, .none)
    XCTAssertNil(plain.adaptiveLimit)
  }

  func testKindsOfRules() throws {
    func rule(_ json: String, _ convention: Convention = .native) throws -> any UpdateRule {
      try JSONDecoder().decode(RuleConfiguration.self, from: Data(json.utf8)).makeRule(convention)
    }
    XCTAssertEqual(
      try rule(#"{"kind": "lars", "learningRate": 2}"#, .optax) as? LARS, try LARS(learningRate: 2, convention: .optax))
    XCTAssertEqual(
      try rule(
        """
        {"kind": "lars", "learningRate": 2, "momentum": 0.5, "weightDecay": 0.25, "trustCoefficient": 0.1,
         "epsilon": 0.01, "nesterov": true, "adapts": false}
        """) as? LARS,
      try LARS(
        learningRate: 2, momentum: 0.5, weightDecay: 0.25, trustCoefficient: 0.1, epsilon: 0.01, nesterov: true,
        adapts: false))
    XCTAssertEqual(
      try rule(#"{"kind": "lion", "learningRate": 2, "beta1": 0.5, "beta2": 0.25, "weightDecay": 3}"#) as? Lion,
      try Lion(learningRate: 2, beta1: 0.5, beta2: 0.25, weightDecay: 3))
    XCTAssertEqual(
      try rule(#"{"kind": "lion", "learningRate": 2}"#, .optax) as? Lion,
      try Lion(learningRate: 2, weightDecay: 1e-3, convention: .optax))
    XCTAssertEqual(
      try rule(#"{"kind": "normalized", "learningRate": 2, "weightDecay": 3, "nesterov": true, "units": [0]}"#)
        as? NormalizedMomentum,
      try NormalizedMomentum(learningRate: 2, weightDecay: 3, nesterov: true, units: .axes([0])))
    XCTAssertEqual(
      try rule(#"{"kind": "signum", "learningRate": 2, "momentum": 0.5, "weightDecay": 3, "nesterov": true}"#)
        as? Signum,
      try Signum(learningRate: 2, momentum: 0.5, weightDecay: 3, nesterov: true))
    XCTAssertEqual(
      try rule(
        """
        {"kind": "adamw", "learningRate": 2, "beta1": 0.5, "beta2": 0.25, "epsilon": 0.125, "weightDecay": 3,
         "biasCorrection": false}
        """) as? AdamW,
      try AdamW(learningRate: 2, beta1: 0.5, beta2: 0.25, epsilon: 0.125, weightDecay: 3, biasCorrection: false))
    for (convention, epsilon, decay, corrects) in [
      (Convention.native, 1e-8, 0.01, true), (.pytorch, 1e-8, 0.01, true), (.optax, 1e-8, 1e-4, true),
      (.keras, 1e-7, 0.004, true), (.mlx, 1e-8, 0.01, false),
    ] {
      XCTAssertEqual(
        try rule(#"{"kind": "adamw", "learningRate": 2}"#, convention) as? AdamW,
        try AdamW(
          learningRate: 2, epsilon: epsilon, weightDecay: decay, biasCorrection: corrects, convention: convention))
    }
    XCTAssertEqual(
      try rule(
        """
        {"kind": "muon", "learningRate": 2, "momentum": 0.5, "nesterov": false, "weightDecay": 3, "method": "dion",
         "view": "lastTwoAxes", "scale": {"matchingRMS": 0.5}}
        """) as? Muon,
      try Muon(
        learningRate: 2, momentum: 0.5, nesterov: false, weightDecay: 3, method: .dion, view: .lastTwoAxes,
        scale: .matchingRMS(0.5)))
    XCTAssertEqual(
      try rule(#"{"kind": "muon", "learningRate": 2}"#, .keras) as? Muon, try Muon(learningRate: 2, convention: .keras))
    let scheduled = try rule(#"{"kind": "lars", "learningRate": {"linear": {"from": 2, "to": 0, "steps": 2}}}"#)
    XCTAssertEqual(try scheduled.resolved(at: 1) as? LARS, try LARS(learningRate: 1))

    for (json, convention, expected) in [
      (#"true"#, Convention.native, (0.01, 1e-3, TensorUnits.firstAxis)), ("true", .optax, (0.01, 1e-3, .optax)),
      (#"{"factor": 0.5, "epsilon": 0.25, "units": "tensor"}"#, .native, (0.5, 0.25, .tensor)),
      (#"{"units": [0, -1]}"#, .pytorch, (0.01, 1e-3, .axes([0, -1]))),
    ] {
      let made = try rule(#"{"learningRate": 1, "momentum": 0.5, "adaptiveGradientClipping": \#(json)}"#, convention)
      let clipping = try XCTUnwrap(made as? AdaptiveGradientClipping)
      XCTAssertEqual(clipping.base as? SGD, try SGD(learningRate: 1, momentum: 0.5, convention: convention))
      XCTAssertEqual(clipping.factor, expected.0)
      XCTAssertEqual(clipping.epsilon, expected.1)
      XCTAssertEqual(clipping.clippedUnits, expected.2)
    }
    XCTAssertTrue(try rule(#"{"learningRate": 1, "adaptiveGradientClipping": false}"#) is SGD)
  }

  func testWhatAGroupLeavesOut() throws {
    func groupRule(_ rule: String, _ group: String) throws -> (any UpdateRule)? {
      let configuration = try decode(
        #"{"rule": \#(rule), "groups": [{"name": "a", "patterns": ["a"], "rule": \#(group)}]}"#)
      let optimizer: Optimizer<Float> = try configuration.makeOptimizer(try ParameterLayout([("a", [1])]))
      return optimizer.groups[0].rule
    }
    let sgd =
      #"{"learningRate": 1, "momentum": 0.5, "weightDecay": 0.25, "dampening": 0.125, "adaptiveGradientClipping": true}"#
    XCTAssertEqual(
      try groupRule(sgd, #"{"weightDecay": 0, "adaptiveGradientClipping": false}"#) as? SGD,
      try SGD(learningRate: 1, momentum: 0.5, dampening: 0.125))
    XCTAssertTrue(try groupRule(sgd, "{}") is AdaptiveGradientClipping)
    // Of another kind of rule only what both have is taken over.
    XCTAssertEqual(
      try groupRule(sgd, #"{"kind": "lars", "adaptiveGradientClipping": false, "epsilon": 2}"#) as? LARS,
      try LARS(learningRate: 1, momentum: 0.5, weightDecay: 0.25, epsilon: 2))
    let lars = #"{"kind": "lars", "learningRate": 1, "weightDecay": 0.25, "trustCoefficient": 0.125}"#
    XCTAssertEqual(
      try groupRule(lars, #"{"kind": "sgd", "dampening": 0.5}"#) as? SGD,
      try SGD(learningRate: 1, dampening: 0.5, weightDecay: 0.25))
    XCTAssertEqual(
      try groupRule(sgd, #"{"kind": "adamw", "adaptiveGradientClipping": false}"#) as? AdamW,
      try AdamW(learningRate: 1, weightDecay: 0.25))
    XCTAssertEqual(
      try groupRule(#"{"kind": "adamw", "learningRate": 1, "beta1": 0.5, "epsilon": 1}"#, #"{"kind": "lion"}"#)
        as? Lion,
      try Lion(learningRate: 1, beta1: 0.5))
    XCTAssertEqual(
      try groupRule(lars, #"{"adapts": false}"#) as? LARS,
      try LARS(learningRate: 1, weightDecay: 0.25, trustCoefficient: 0.125, adapts: false))
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

  /// A list of restarts is for every matrix, the default list for those that need it, unless it is said otherwise.
  func testRestartsOfMuon() throws {
    func method(_ settings: String) throws -> NewtonSchulz? {
      let json = #"{"rule": {"kind": "muon", "learningRate": 1, "method": \#(settings)}}"#
      guard let muon = try decode(json).rule.makeRule(.native) as? Muon, case .newtonSchulz(let method) = muon.method
      else { return nil }
      // As it is written.
      let encoded = try JSONDecoder().decode(Orthogonalization.self, from: JSONEncoder().encode(muon.method))
      XCTAssertEqual(encoded, muon.method, settings)
      return method
    }
    XCTAssertEqual(try method(#""jordan""#)?.restartUse, .whereNeeded)
    let three = "[[1, 2, 3], [1, 2, 3], [1, 2, 3]]"
    for (settings, restarts, use) in [
      ("", [2], NewtonSchulz.RestartUse.always), (#", "restarts": [1]"#, [1], .always),
      (#", "restartUse": "whereNeeded""#, [2], .whereNeeded),
      (#", "restarts": [1, 2], "restartUse": "whereNeeded""#, [1, 2], .whereNeeded),
    ] {
      let method = try method(#"{"steps": \#(three)\#(settings)}"#)
      XCTAssertEqual(method?.restarts, restarts, settings)
      XCTAssertEqual(method?.restartUse, use, settings)
    }
    XCTAssertThrowsError(try method(#"{"steps": \#(three), "restartUse": "never"}"#))
  }

  func testWhatIsEncodedDecodesToTheSame() throws {
    for json in [
      full,
      #"{"rule": {"learningRate": 0.1, "nesterov": true, "momentum": {"linear": {"from": 0.5, "to": 0.9, "steps": 9}}}}"#,
      #"{"rule": {"learningRate": 1}, "clipping": {"value": [0, 2], "normType": "inf"}, "averaging": {"kind": "mean"}}"#,
      #"{"rule": {"learningRate": 1}, "clipping": {"globalNorm": 1}, "nonFinitePolicy": "zero", "mode": "onePass"}"#,
      #"{"rule": {"learningRate": 1}, "clipping": {"norm": 1, "normUnits": [0, -1]}}"#,
      #"{"rule": {"learningRate": 1}, "clipping": {"blockRMS": 1}}"#,
      #"{"rule": {"learningRate": 1}, "lossScale": 8, "adaptiveClipping": {"spikeSkipping": {"limit": 3}}}"#,
      #"{"rule": {"learningRate": 1}, "lossScale": {"initial": 4, "growthInterval": 7}, "adaptiveClipping": {"zClip": {}}}"#,
      #"{"rule": {"kind": "lars", "learningRate": 1, "momentum": 0.5, "trustCoefficient": 2, "epsilon": 1, "adapts": true}}"#,
      #"{"rule": {"learningRate": 1}, "groups": [{"name": "a", "patterns": ["a"], "exemptFromWhole": true}]}"#,
      #"{"rule": {"kind": "muon", "learningRate": 1, "method": "polarExpress", "view": "lastTwoAxes", "scale": "spectral"}}"#,
      #"{"rule": {"kind": "muon", "learningRate": 1, "view": {"inputs": [0], "outputs": [-1, 1]}, "scale": {"matchingRMS": 0.5}}}"#,
      #"{"rule": {"kind": "muon", "learningRate": 1, "view": {"rowBlocks": [2, 2], "of": "firstAxis"}, "scale": "none"}}"#,
      #"{"rule": {"kind": "muon", "learningRate": 1, "method": {"steps": [[1, 2, 3]], "epsilon": 0.5, "restarts": []}}}"#,
      #"{"rule": {"kind": "normalized", "learningRate": 1, "momentum": 0.5, "units": "firstAxis"}}"#,
      #"{"rule": {"kind": "lion", "learningRate": 1, "beta1": 0.5, "beta2": 0.25}}"#,
      #"{"rule": {"kind": "adamw", "learningRate": 1, "epsilon": 0.5, "biasCorrection": false}}"#,
      #"{"rule": {"learningRate": 1, "adaptiveGradientClipping": {"factor": 2, "units": "optax"}}}"#,
      #"{"rule": {"learningRate": 1, "adaptiveGradientClipping": true}, "groups": [{"name": "a", "patterns": ["a"], "rule": {"adaptiveGradientClipping": false}}]}"#,
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
      (#"{"rule": {"learningRate": 1}, "clipping": {"norm": 1, "normUnits": "rows"}}"#, "clipping.normUnits", "'rows'"),
      (#"{"rule": {"learningRate": 1}, "clipping": {"norm": 1, "blockRMS": 1}}"#, "clipping", "clip block RMS is 1.0"),
      (#"{"rule": {"learningRate": 1}, "lossScale": 0}"#, "lossScale", "loss scale is 0.0; expected a positive finite"),
      (
        #"{"rule": {"learningRate": 1}, "adaptiveClipping": {"zClip": {"decay": 2}}}"#, "adaptiveClipping.zClip",
        "decay is 2.0; expected a number in 0...1"
      ),
      (#"{"rule": {"kind": "adam", "learningRate": 1}}"#, "rule.kind", "adam"),
      (
        #"{"rule": {"learningRate": 1, "trustCoefficient": 1}}"#, "rule",
        "rule with trustCoefficient is sgd; expected lars"
      ),
      (
        #"{"rule": {"learningRate": 1, "epsilon": 1}}"#, "rule", "rule with epsilon is sgd; expected lars or adamw"
      ),
      (
        #"{"rule": {"kind": "adamw", "learningRate": 1, "momentum": 0.9}}"#, "rule",
        "rule with momentum is adamw; expected sgd or lars or signum or normalized or muon"
      ),
      (#"{"rule": {"learningRate": 1, "units": "tensor"}}"#, "rule", "rule with units is sgd; expected normalized"),
      (#"{"rule": {"kind": "normalized", "learningRate": 1, "units": "rows"}}"#, "rule.units", "units are 'rows'"),
      (#"{"rule": {"kind": "muon", "learningRate": 1, "method": "newton"}}"#, "rule.method", "method is 'newton'"),
      (#"{"rule": {"kind": "muon", "learningRate": 1, "method": {"steps": [[1]]}}}"#, "rule.method", "three factors"),
      (#"{"rule": {"kind": "muon", "learningRate": 1, "method": {"steps": []}}}"#, "rule.method", "steps is 0"),
      (#"{"rule": {"kind": "muon", "learningRate": 1, "view": "rows"}}"#, "rule.view", "view is 'rows'"),
      (#"{"rule": {"kind": "muon", "learningRate": 1, "scale": "fan"}}"#, "rule.scale", "scale is 'fan'"),
      (
        #"{"rule": {"kind": "adamw", "learningRate": 1, "beta2": 1}}"#, "rule",
        "beta2 is 1.0; expected a number >= 0 and < 1"
      ),
      (
        #"{"rule": {"kind": "lars", "learningRate": 1, "maximize": false, "dampening": 0}}"#, "rule",
        "rule with dampening is lars; expected sgd"
      ),
      (
        #"{"rule": {"kind": "lars", "learningRate": 1, "adaptiveGradientClipping": true}}"#, "rule",
        "base of adaptive clipping is LARS"
      ),
      (
        #"{"rule": {"learningRate": 1, "adaptiveGradientClipping": {"lambda": 1}}}"#, "rule.adaptiveGradientClipping",
        "unknown key 'lambda'"
      ),
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
        #"{"rule": {"kind": "lars", "learningRate": 1}, "mode": "onePass", "nonFinitePolicy": "zero"}"#, "",
        "mode is onePass; expected twoPass with a rule that measures units"
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
      "group 'typo' is [\"boddy.*\"]; expected patterns of which one matches the name of a tensor, "
        + "such as '\(layout.tensors[0].name)'"
    ) {
      let optimizer: Optimizer<Float> = try configuration.makeOptimizer(layout)
      return optimizer.stepCount
    }
  }
}
