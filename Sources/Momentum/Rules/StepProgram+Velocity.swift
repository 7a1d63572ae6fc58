extension StepProgram {
  /// Multiplies the velocity of a tensor by a factor, as every step of a rule with momentum does before it adds the
  /// gradient; see ``decay(_:scale:by:)``.
  ///
  /// A rule of your own that keeps a velocity v, here `v ← m·v + g; p ← p - lr·v`:
  ///
  /// ```swift
  /// func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
  ///   let scale = program.decayVelocity(of: tensor, by: momentum)
  ///   program.append(.axpy(factor: tensor.gradientFactor / ScaledDouble(scale), from: .gradient, into: .direction))
  ///   program.append(.axpy(factor: ScaledDouble(-learningRate) * scale, from: .direction, into: .parameters))
  ///   return scale
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - tensor: The tensor's state before the step.
  ///   - factor: m.
  /// - Returns: The velocity's scale after the step: what enters the direction is divided by it, what leaves it is
  ///   multiplied.
  public mutating func decayVelocity(of tensor: TensorState, by factor: Double) -> Double {
    // There is nothing to multiply yet, so the scale begins where it can change longest without a `scal`.
    if tensor.isFirstStep { return factor <= 1 ? Self.largestScale : 1 }
    return decay(.direction, scale: tensor.velocityScale, by: factor)
  }
}
