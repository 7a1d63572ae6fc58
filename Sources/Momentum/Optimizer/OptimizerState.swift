/// Everything that an ``Optimizer`` remembers between steps, without rounding: an optimizer resumed from it continues
/// with the same bits.
public struct OptimizerState<Scalar: BLASScalar>: Sendable, Hashable, Codable {
  /// The number of steps taken.
  public var stepCount = 0
  /// Whether the last step clipped by a norm; in ``StepMode/onePass`` this decides how the next step is taken.
  public var lastStepClipped = false
  /// The velocity `s·u` of each tensor, without u.
  public var velocities: [VelocityState]
  /// u of all tensors in the order of the layout; empty if no step has needed a velocity.
  public var direction: [Scalar] = []
  /// The average `s·b` of each tensor, without b.
  public var averages: [AverageState]
  /// b of all tensors in the order of the layout; empty if nothing has been averaged.
  public var average: [Scalar] = []
  /// A dynamic loss scale; ``LossScale/none`` if there was none.
  public var lossScale = LossScale.none
  /// The adaptive limit, with its statistics of past norms.
  public var adaptiveLimit: AdaptiveLimit?

  /// The state before the first step.
  ///
  /// - Parameter tensors: The number of tensors.
  public init(tensors: Int) {
    velocities = Array(repeating: VelocityState(), count: tensors)
    averages = Array(repeating: AverageState(), count: tensors)
  }
}

extension OptimizerState {
  /// Checks that the state can belong to an optimizer with a layout.
  func validate(_ layout: ParameterLayout) throws(MomentumError) {
    let tensors = layout.tensors.count
    for (what, count) in [("velocities", velocities.count), ("averages", averages.count)] where count != tensors {
      throw .countMismatch(what: what, count: count, expected: tensors)
    }
    try Self.check("direction", direction.count, layout, isNeeded: velocities.contains(where: \.isSet))
    try Self.check("average", average.count, layout, isNeeded: averages.contains { $0.count > 0 })
    let scales = [("velocity scale", velocities.map(\.scale)), ("average scale", averages.map(\.scale))]
    for (name, scales) in scales {
      for scale in scales where !(scale > 0 && scale.isFinite) {
        throw .invalidSetting(name: name, value: scale, expected: .positive)
      }
    }
    let counts = [("step count", [stepCount]), ("steps averaged", averages.map(\.count))]
    for (name, counts) in counts {
      for count in counts where count < 0 {
        throw .invalidSetting(name: name, value: count, expected: .countAtLeast(0))
      }
    }
  }

  private static func check(
    _ what: String, _ count: Int, _ layout: ParameterLayout, isNeeded: Bool
  ) throws(MomentumError) {
    guard count == layout.count || (count == 0 && !isNeeded) else {
      throw .countMismatch(what: what, count: count, expected: layout.count)
    }
  }
}

// As synthesized, except that `adaptiveLimit` keeps the key that it had in version 0.1, so that states of both versions
// can be read.
extension OptimizerState {
  private enum CodingKeys: String, CodingKey {
    case stepCount, lastStepClipped, velocities, direction, averages, average, lossScale
    case adaptiveLimit = "adaptiveClipping"
  }
}
