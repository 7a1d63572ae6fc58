/// The form of a velocity: whether the learning rate is part of it, and which; and the share of gradients in it.
package struct VelocityForm {
  package let keepsLearningRate: Bool
  /// The learning rate by which a velocity of the other form is converted.
  package let learningRate: Double

  /// ``UpdateRule/gradientWeight`` of its rule, or how many times that of the form that it is converted from.
  package let gradientWeight: Double

  package init(keepsLearningRate: Bool, learningRate: Double, gradientWeight: Double = 1) {
    self.keepsLearningRate = keepsLearningRate
    self.learningRate = learningRate
    self.gradientWeight = gradientWeight
  }

  /// By how much velocities grow whose gradients shall have one weight and have another.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if a weight is not positive and finite, unless both are the same.
  package static func ratio(of new: Double, to old: Double) throws(MomentumError) -> Double {
    guard new != old else { return 1 }
    for weight in [new, old] where !(weight > 0 && weight.isFinite) {
      throw .invalidSetting(
        name: "weight of gradients in velocities", value: weight, expected: .words("a number > 0 to convert them by"))
    }
    return new / old
  }

  /// The form for conversion from another one.
  ///
  /// - Parameter isThere: Whether there is a velocity; without one nothing is refused.
  package func relative(to other: VelocityForm, isThere: Bool = true) throws(MomentumError) -> VelocityForm {
    VelocityForm(
      keepsLearningRate: keepsLearningRate, learningRate: learningRate,
      gradientWeight: isThere ? try Self.ratio(of: gradientWeight, to: other.gradientWeight) : 1)
  }
}
