/// What is wrong with the program that an update rule compiled.
public enum ProgramFault: Hashable, Sendable {
  /// An operation writes the gradient, which a step only reads.
  case writesGradient
  /// An operation names the direction, but the rule says that it keeps no velocity.
  case needsVelocity
  /// An operation names the second moment, but the rule says that it keeps none.
  case needsSecondMoment
  /// An operation transforms the update, or names it, but the rule says that it has no transform.
  case needsTransform
  /// An operation transforms the update for a second time.
  case transformsTwice
  /// An operation behind the transform reads the gradient, or the copy as it was before.
  case readsAcrossTransform
  /// An operation names the average, which belongs to the optimizer's weight averaging.
  case touchesAverage
  /// An operation scales units, which only the engine does.
  case scalesUnits
  /// The bounds of a clamp are NaN, or the lower one is above the upper one.
  case invalidBounds(lower: Double, upper: Double)
  /// The rule has put another program in the place of its own, without the operations that clip or clear the gradient.
  case leavesOutPreparation
  /// The rule returned a velocity scale that is not positive and finite.
  case invalidScale(Double)
  /// There are more operations than a program can hold.
  case tooLong(most: Int)
}

extension ProgramFault: CustomStringConvertible {
  public var description: String {
    switch self {
    case .writesGradient: "writes the gradient; expected it to be read only"
    case .needsVelocity: "uses the direction; expected usesVelocity to be true"
    case .needsSecondMoment: "uses the second moment; expected usesSecondMoment to be true"
    case .needsTransform: "uses the update; expected transform to be set"
    case .transformsTwice: "transforms the update for a second time; expected one transform"
    case .readsAcrossTransform:
      "reads the gradient or the copy behind the transform; expected it to read them before"
    case .touchesAverage: "uses the average; expected it to be left to the optimizer's averaging"
    case .scalesUnits: "scales units; expected unitFactor(gradientNorm:parameterNorm:) to do so"
    case .invalidBounds(let lower, let upper):
      "clamps to \(lower)...\(upper); expected a lower bound at most the upper one"
    case .leavesOutPreparation:
      "is not the one that clips or clears the gradient there; expected the rule to append to the program that it gets"
    case .invalidScale(let scale): "returned the velocity scale \(scale); expected a positive, finite number"
    case .tooLong(let most):
      "has too many operations; expected at most \(most), those of clipping and averaging included"
    }
  }
}
