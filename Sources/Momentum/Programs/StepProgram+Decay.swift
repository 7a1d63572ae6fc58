extension StepProgram {
  /// Multiplies a vector that is stored as a scale times a direction, `v = s·u`, by a factor: changes the scale alone.
  ///
  ///     v ← f·v    is    s ← f·s
  ///
  /// so the usual step needs no pass to decay a velocity or an average. The direction is the vector divided by the
  /// scale, and so a small scale makes it large. Therefore a scale that would leave 2⁻¹²...2¹² is multiplied into the
  /// direction, and is 1 from then on. Within these bounds, a velocity up to the largest number of the element type
  /// divided by 4096 is safe. With momentum 0.9 this is one `scal` in 79 steps.
  ///
  /// - Parameters:
  ///   - operand: The direction u.
  ///   - scale: s before the step.
  ///   - factor: f.
  /// - Returns: s after the step; operations that follow in the program divide by it.
  public mutating func decay(_ operand: Operand, scale: Double, by factor: Double) -> Double {
    let next = factor * scale
    if next >= 0x1p-12, next <= 0x1p12 { return next }
    append(.scal(factor: ScaledDouble(factor) * scale, operand))
    return 1
  }
}
