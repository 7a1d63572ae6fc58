import MomentumTestSupport

@testable import Momentum

/// An optimizer whose velocity is kept in one type or another, for the tests of velocities in half precision.
struct HalfVelocitySetup {
  static let tensors: [(String, [Int])] = [
    ("a", [50, 50]), ("b", []), ("c", [0, 2]), ("d", [64, 64]), ("e", [7, 9]), ("f", [700]),
  ]

  var rule: any UpdateRule
  var clipping = GradientClipping.none
  var averaging: WeightAveraging?

  /// With the algorithm that gradients in half precision are always summed by.
  func optimizer(
    _ type: ElementType, order: [Int] = Array(0..<6), threads: Int? = nil
  ) throws -> Optimizer<Float> {
    var clipping = clipping
    clipping.algorithm = .portable
    return try Optimizer(
      ParameterLayout(order.map { Self.tensors[$0] }), rule: rule, clipping: clipping,
      averaging: averaging, velocityType: type, threads: threads)
  }

  /// With several rules that keep a velocity, and one without.
  static func all() throws -> [HalfVelocitySetup] {
    let momentum = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
    return try [
      HalfVelocitySetup(rule: momentum, clipping: .byGlobalNorm(3)),
      HalfVelocitySetup(
        rule: SGD(learningRate: 0.1, momentum: 0.9, nesterov: true),
        clipping: GradientClipping(value: -0.5...0.25, tensor: .norm(4)), averaging: .exponential(decay: 0.9)),
      HalfVelocitySetup(rule: NormalizedMomentum(learningRate: 0.1, momentum: 0.9, units: .firstAxis)),
      HalfVelocitySetup(rule: LARS(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)),
      HalfVelocitySetup(rule: AdaptiveGradientClipping(momentum, factor: 0.01)),
      HalfVelocitySetup(rule: SGD(learningRate: 0.1, momentum: 0.9, convention: .keras)),
      HalfVelocitySetup(rule: SGD(learningRate: 0.1)),
    ]
  }
}

extension Optimizer where Scalar == Float {
  /// What a velocity of `BFloat16` is after each step.
  mutating func roundVelocity() throws {
    var state = state()
    guard !state.direction.isEmpty else { return }
    for tensor in layout.tensors {
      for index in 0..<tensor.count {
        let element = state.direction[tensor.offset + index]
        state.direction[tensor.offset + index] = HalfOracle.dithered(element, step: state.stepCount, index: index)
      }
    }
    try restore(state)
  }
}
