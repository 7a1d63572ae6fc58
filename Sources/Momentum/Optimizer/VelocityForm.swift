/// What a velocity is multiplied with, apart from its scale.
package struct VelocityForm {
  package let keepsLearningRate: Bool
  /// That which a velocity of the other form is converted at.
  package let learningRate: Double

  package init(keepsLearningRate: Bool, learningRate: Double) {
    self.keepsLearningRate = keepsLearningRate
    self.learningRate = learningRate
  }
}
