extension StepProgram {
  /// Multiplies a vector that is stored as a scale times a direction, `v = s·u`, by a factor: changes the scale alone.
  ///
  ///     v ← f·v    is    s ← f·s
  ///
  /// so the usual step of a velocity or an average needs no pass of its own. The direction is the vector divided by the scale:
  /// a small scale makes it large. So a scale that would leave 2⁻¹²...2¹² is multiplied into the direction, and is 1 from then
  /// on. Within these bounds a velocity up to the largest number of the element type divided by 4096 is safe; with momentum
  /// 0.9 that is one `scal` in 79 steps.
  ///
  /// - Parameters:
  ///   - operand: The direction u.
  ///   - scale: s before the step.
  ///   - factor: f.
  /// - Returns: s after the step, which what follows in the program divides by.
  public mutating func decay(_ operand: Operand, scale: Double, by factor: Double) -> Double {
    let next = factor * scale
    if next >= 0x1p-12, next <= 0x1p12 { return next }
    append(.scal(factor: ScaledDouble(factor) * scale, operand))
    return 1
  }
}
