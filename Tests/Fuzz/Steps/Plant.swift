import Momentum

/// A fault that is planted so that it is seen to be found: a wrong number of one twin, or wrong settings of all, which
/// only the plain loop can notice.
enum Plant: String, CaseIterable, Sendable {
  /// The last bit of one parameter of one twin.
  case bit
  /// A velocity whose scale is forgotten when a state is restored.
  case scale
  /// A limit of the global norm that is off by 0.4 %.
  case coefficient
  /// A momentum that is off by 0.4 %.
  case momentum
  /// A decay β₂ that is off by 0.4 %.
  case beta2
  /// A step less of Newton and Schulz.
  case matrix
  /// Weight decay left out.
  case decay
  /// A decay of the average that is off by 0.4 %.
  case average
  /// The loss scale forgotten.
  case loss
  /// A parameter written by a step that was refused.
  case refusal
}

extension Settings {
  /// The settings that the twins get instead of these.
  func spoiled(by plant: Plant?) -> Settings {
    var spoiled = self
    let off = 1 - 0x1p-8
    switch plant {
    case .coefficient:
      if case .norm(let limit) = clip.whole { spoiled.clip.whole = .norm(limit * off) }
    case .momentum: spoiled.rule.momentum *= off
    case .beta2: spoiled.rule.beta2 *= off
    case .matrix:
      let method = rule.matrices.method
      guard method.steps.count > 1 else { break }
      spoiled.rule.matrices.method = NewtonSchulz(
        Array(method.steps.dropLast()), epsilon: method.epsilon, epsilonUse: method.epsilonUse)
    case .decay: spoiled.rule.weightDecay = 0
    case .average:
      if let decay = averaging?.decay { spoiled.averaging?.decay = decay * off }
    case .loss: spoiled.loss = .none
    case .bit, .scale, .refusal, nil: break
    }
    return spoiled
  }
}

extension Plant {
  /// Changes the last bit of one parameter.
  static func flipBit<Scalar>(of twin: Twin<Scalar>) {
    twin.withParameters { tensors in
      guard let tensor = tensors.first(where: { $0.contains(where: \.isFinite) }) else { return }
      let index = tensor.firstIndex(where: \.isFinite)!
      tensor[index] = tensor[index].magnitude < Scalar.greatestFiniteMagnitude ? tensor[index].nextUp : 0
    }
  }

  /// Forgets the scale of every velocity.
  static func forgetScales<Scalar>(in state: inout OptimizerState<Scalar>) {
    for index in state.velocities.indices { state.velocities[index].scale = 1 }
  }
}
