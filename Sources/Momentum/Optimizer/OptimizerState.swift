/// Everything that an ``Optimizer`` remembers between steps, without rounding: an optimizer resumed from it continues
/// with the same bits.
public struct OptimizerState<Scalar: BLASScalar>: Sendable, Hashable, Codable {
  /// The tensors; `nil` in a state that version 0.1 encoded, which does not say what they are.
  public let layout: ParameterLayout?
  /// The number of steps taken.
  public var stepCount = 0
  /// Whether the last step clipped by a norm; in ``StepMode/onePass`` this decides how the next step is taken.
  public var lastStepClipped = false
  /// The velocity `s·u` of each tensor, without u.
  public var velocities: [VelocityState]
  /// u of all tensors in the order of the layout; empty if no step has needed a velocity.
  public var direction: [Scalar] = []
  /// The second moment of all tensors in the order of the layout; empty if no step has needed one. How many steps have
  /// entered it, ``velocities`` say.
  public var secondMoment: [Scalar] = []
  /// The average `s·b` of each tensor, without b.
  public var averages: [AverageState]
  /// b of all tensors in the order of the layout; empty if nothing has been averaged.
  public var average: [Scalar] = []
  /// A dynamic loss scale; ``LossScale/none`` if there was none.
  public var lossScale = LossScale.none
  /// The adaptive limit, with its statistics of past norms.
  public var adaptiveLimit: AdaptiveLimit?

  /// The state of an optimizer with a layout before the first step.
  public init(_ layout: ParameterLayout) {
    self.layout = layout
    velocities = Array(repeating: VelocityState(), count: layout.tensors.count)
    averages = Array(repeating: AverageState(), count: layout.tensors.count)
  }
}

extension OptimizerState {
  /// Checks that the state can belong to an optimizer with a layout. Does not look at the elements of vectors.
  func validate(_ layout: ParameterLayout) throws(MomentumError) {
    if let own = self.layout { try layout.check("state", ofTensors: own) }
    let tensors = layout.tensors.count
    for (what, count) in [("velocities", velocities.count), ("averages", averages.count)] where count != tensors {
      throw .countMismatch(what: what, count: count, expected: tensors)
    }
    try Self.check("direction", direction.count, layout, isNeeded: velocities.contains(where: \.isSet))
    try Self.check(
      "second moment", secondMoment.count, layout, isNeeded: velocities.contains { $0.secondMomentSteps > 0 })
    try Self.check("average", average.count, layout, isNeeded: averages.contains { $0.count > 0 })
    let scales = [("velocity scale", velocities.map(\.scale)), ("average scale", averages.map(\.scale))]
    for (name, scales) in scales {
      for scale in scales where !(scale > 0 && scale.isFinite) {
        throw .invalidSetting(name: name, value: scale, expected: .positive)
      }
    }
    try CountRange.check(stepCount, "step count")
    for velocity in velocities { try CountRange.check(velocity.secondMomentSteps, "steps of a second moment") }
    for average in averages { try CountRange.check(average.count, "steps averaged") }
  }

  private static func check(
    _ what: String, _ count: Int, _ layout: ParameterLayout, isNeeded: Bool
  ) throws(MomentumError) {
    guard count == layout.count || (count == 0 && !isNeeded) else {
      throw .countMismatch(what: what, count: count, expected: layout.count)
    }
  }
}

extension OptimizerState: CustomStringConvertible {
  /// One line without the elements, for example `after 12 steps, 2 tensors: 2 with a velocity, none with an average`.
  public var description: String {
    func words(_ count: Int, _ what: String) -> String { "\(count == 0 ? "none" : "\(count)") with \(what)" }
    let moving = velocities.count { $0.isSet }
    return "after \(stepCount) \(stepCount == 1 ? "step" : "steps"), \(velocities.count) "
      + "\(velocities.count == 1 ? "tensor" : "tensors"): \(words(moving, "a velocity")), "
      + words(averages.count { $0.count > 0 }, "an average")
  }
}
