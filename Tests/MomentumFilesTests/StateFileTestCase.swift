import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Runs of optimizers whose state goes through files: what the tests of state files have in common.
class StateFileTestCase: FolderTestCase {
  static let tensors = [("weight", [7, 10]), ("bias", [3]), ("empty", [0, 4]), ("long", [2100])]

  /// What one step is taken with; the third tensor is empty, the second has no gradient before the fourth step.
  struct Run<S: BLASScalar>: ~Copyable {
    var optimizer: Optimizer<S>
    var parameters: [[S]]

    init(_ configuration: OptimizerConfiguration, _ parameters: [[S]]) throws {
      optimizer = try configuration.makeOptimizer(ParameterLayout(StateFileTestCase.tensors.map { ($0.0, $0.1) }))
      self.parameters = parameters
    }

    mutating func step(_ gradients: [[S]?]) throws {
      let memory = parameters.map { GuardedMemory($0) }
      let given = gradients.map { $0.map { GuardedMemory($0) } }
      try optimizer.step(parameters: memory.map(\.buffer), gradients: given.map { $0?.readOnlyBuffer })
      withExtendedLifetime(given) {}
      parameters = memory.map(\.elements)
    }
  }

  struct Data<S: BLASScalar> {
    let start: [[S]]
    let gradients: [[[S]?]]

    init(steps: Int) {
      var random = SeededGenerator(seed: 41)
      let counts = StateFileTestCase.tensors.map { $0.1.reduce(1, *) }
      start = counts.map { random.numbers($0) }
      gradients = (0..<steps).map { step in
        counts.enumerated().map { index, count in
          var values: [S] = random.numbers(count)
          if step == 2, index == 0 { values[5] = .infinity }
          return index == 1 && step < 3 ? nil : values
        }
      }
    }
  }

  static let configurations: [String] = [
    // Everything that adapts, with a schedule and a group.
    """
    {"convention": "pytorch", "nonFinitePolicy": "skipStep", "clipping": {"globalNorm": 20},
     "rule": {"learningRate": {"cosine": {"initial": 0.1, "steps": 20}}, "momentum": 0.7, "dampening": 0.25, "weightDecay": 0.01},
     "groups": [{"name": "biases", "patterns": ["bias"], "rule": {"weightDecay": 0, "learningRate": 0.3}}],
     "adaptiveClipping": {"autoClip": {"percentile": 30, "window": 5}},
     "lossScale": {"initial": 4, "growthInterval": 2}, "averaging": {"kind": "exponential", "decay": 0.9}}
    """,
    """
    {"convention": "pytorch", "nonFinitePolicy": "zero", "mode": "onePass", "clipping": {"globalNorm": 26.9},
     "rule": {"learningRate": 0.1, "momentum": 0.7, "weightDecay": 0.01}}
    """,
    """
    {"convention": "keras", "nonFinitePolicy": "skipStep", "rule": {"learningRate": 0.1, "momentum": 0.9, "nesterov": true},
     "adaptiveClipping": {"zClip": {"threshold": 0.5, "warmUp": 2}}, "averaging": {"kind": "mean", "overwriteEvery": 3}}
    """,
    """
    {"nonFinitePolicy": "skipStep", "rule": {"kind": "lars", "learningRate": 0.5, "weightDecay": 0.01},
     "groups": [{"name": "plain", "patterns": ["b*"], "rule": {"kind": "sgd", "momentum": 0.5}}],
     "adaptiveClipping": {"spikeSkipping": {"deviations": 2, "limit": 100}}}
    """,
    #"{"nonFinitePolicy": "skipStep", "rule": {"learningRate": {"linear": {"from": 1, "to": 0.5, "steps": 6}}}}"#,
  ]

  func configuration(_ json: String) throws -> OptimizerConfiguration {
    try JSONDecoder().decode(OptimizerConfiguration.self, from: Foundation.Data(json.utf8))
  }

  /// A run of some of the steps.
  func run(_ json: String, _ data: Data<Float>, steps: Range<Int>) throws -> Run<Float> {
    var run = try Run(configuration(json), data.start)
    for gradient in data.gradients[steps] { try run.step(gradient) }
    return run
  }
}
