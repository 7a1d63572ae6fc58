/// The form of a velocity: whether the learning rate is part of it, and which.
package struct VelocityForm {
  package let keepsLearningRate: Bool
  /// The learning rate by which a velocity of the other form is converted.
  package let learningRate: Double

  package init(keepsLearningRate: Bool, learningRate: Double) {
    self.keepsLearningRate = keepsLearningRate
    self.learningRate = learningRate
  }
}
