public import Momentum

/// Clipping settings as the peers' files state them; a limit may be one that this library refuses.
public struct PeerClipping: Decodable, Hashable, Sendable {
  public var normType: String
  /// The limit v of the range `-v...v`.
  public var value: ReferenceNumber?
  public var norm: ReferenceNumber?
  public var globalNorm: ReferenceNumber?
}

/// A run of a peer's own SGD, with its clipping.
public struct PeerStepCase: Decodable, Sendable {
  /// Some steps with the same gradients, learning rate and momentum.
  public struct Phase: Decodable, Sendable {
    public var steps: Int
    public var learningRate: ReferenceNumber
    public var momentum: ReferenceNumber
    /// One for each tensor; `nil` for a tensor without a gradient.
    public var gradients: [ReferenceInput?]
    /// The norm of the gradients before clipping.
    public var norm: ReferenceNumber
  }

  /// The state after the last step, by tensor.
  public struct State: Decodable, Sendable {
    public var parameters: [[ReferenceNumber]]
    /// `nil` for a tensor that the peer keeps no velocity of.
    public var velocity: [[ReferenceNumber]?]
    /// The average of the parameters; `nil` where the run keeps none.
    public var average: [[ReferenceNumber]]?
  }

  /// An average of the parameters, kept beside them.
  public struct Averaging: Decodable, Hashable, Sendable {
    /// The decay of an exponential average; `nil` for the mean.
    public var decay: ReferenceNumber?
    public var overwriteEvery: Int?
  }

  /// The results that are right here where the library departs from the peer on purpose.
  public struct Deviation: Decodable, Sendable {
    public var reason: String
    public var parameters: [[ReferenceNumber]]
    public var velocity: [[ReferenceNumber]?]
  }

  public var name: String
  public var scalar: String
  public var convention: String
  public var shapes: [[Int]]
  public var dampening: ReferenceNumber
  public var weightDecay: ReferenceNumber
  public var nesterov: Bool
  public var maximize: Bool
  public var clipping: PeerClipping
  public var parameters: [ReferenceInput]
  public var phases: [Phase]
  public var averaging: Averaging?
  /// The peer's results.
  public var expected: State
  public var ours: Deviation?

  public var stepCount: Int { phases.reduce(0) { $0 + $1.steps } }

  /// The state that this library must reach: the peer's state unless a deviation is stated.
  public var due: State { ours.map { State(parameters: $0.parameters, velocity: $0.velocity) } ?? expected }
}

/// Steps of a peer's own rule beside SGD.
public struct PeerRuleCase: Decodable, Sendable {
  /// Some steps with the same gradients, one for each tensor.
  public struct Phase: Decodable, Sendable {
    public var steps: Int
    public var gradients: [ReferenceInput]
  }

  public var name: String
  /// The rule, and for PyTorch's Muon whether its iteration was rounded to bfloat16, as shipped, or not.
  public var kind: String
  public var scalar: String
  public var convention: Convention
  public var rule: RuleConfiguration
  public var shapes: [[Int]]
  public var parameters: [ReferenceInput]
  public var phases: [Phase]
  /// The peer's parameters after the last step.
  public var expected: [[ReferenceNumber]]
  /// How far rounding to bfloat16 may have taken each tensor, in the Frobenius norm; `nil` where nothing was.
  public var rounding: [ReferenceNumber]?

  public var stepCount: Int { phases.reduce(0) { $0 + $1.steps } }
}

/// Gradients before and after a peer's own clipping.
public struct PeerClipCase: Decodable, Sendable {
  /// The peer's result: tensors, or the name of an error.
  public struct Outcome: Decodable, Sendable {
    public var tensors: [[ReferenceNumber]]?
    /// The norm that a global clip returned: that of its input, after any earlier clip.
    public var returned: ReferenceNumber?
    /// Whether that norm overflowed or underflowed.
    public var normIsWrong: Bool?
    public var error: String?
  }

  /// The result that is right here where the library departs from the peer on purpose: tensors, or an error.
  public struct Deviation: Decodable, Sendable {
    public var reason: String
    public var tensors: [[ReferenceNumber]]?
    public var refused: Bool?
  }

  public var name: String
  public var scalar: String
  public var convention: String
  public var clipping: PeerClipping
  public var shapes: [[Int]]
  public var tensors: [ReferenceInput]
  /// The exact norm before clipping, rounded once; infinite also if it exceeds `Double`.
  public var norm: ReferenceNumber
  public var expected: Outcome
  public var ours: Deviation?

  /// The tensors that this library must return; `nil` where it must refuse.
  public var due: [[ReferenceNumber]]? { ours.map(\.tensors) ?? expected.tensors }
}

/// The values of a peer's schedule beside the same schedule here.
public struct PeerScheduleCase: Decodable, Sendable {
  public var name: String
  public var convention: String
  /// The type in which the peer computes.
  public var scalar: String
  public var schedule: Schedule
  /// The values after 0, 1, ... steps.
  public var values: [ReferenceNumber]
}
