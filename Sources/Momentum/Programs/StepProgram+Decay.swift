extension StepProgram {
  /// The scale that a decaying vector begins with, and the largest one: 2¹².
  static var largestScale: Double { 0x1p12 }
  /// The smallest scale that a rule which does not use ``decay(_:scale:by:)`` may leave, 2⁻¹².
  static var leastScale: Double { 0x1p-12 }

  /// Multiplies a vector that is stored as a scale times a direction, `v = s·u`, by a factor: changes the scale alone.
  ///
  ///     v ← f·v    is    s ← f·s
  ///
  /// so the usual step needs no pass to decay a velocity or an average. The scale stays in 1...2¹². At least 1, so that
  /// the direction, v divided by s, is in range wherever v is; at most 2¹², so that it keeps the digits of all but
  /// almost subnormal elements: the direction is exact to 2⁻¹⁵⁰ for `Float`, the velocity to 2⁻¹³⁸. A scale that would
  /// leave these bounds is multiplied into the direction. With momentum 0.9 this is one `scal` in 79 steps.
  ///
  /// - Parameters:
  ///   - operand: The direction u.
  ///   - scale: s before the step.
  ///   - factor: f.
  /// - Returns: s after the step; operations that follow in the program divide by it.
  public mutating func decay(_ operand: Operand, scale: Double, by factor: Double) -> Double {
    let next = factor * scale
    if next >= 1, next <= Self.largestScale { return next }
    if keepsDigitsOfDirection, operand == .direction, next > 0, next < .infinity { return shiftDirection(next) }
    // A growing vector: its direction takes the scale in and starts anew at 1.
    if next > 1 {
      append(.scal(factor: ScaledDouble(factor) * scale, operand))
      return 1
    }
    // A power of two rounds nothing, so a vector that was read or copied, whose scale is 1, goes on without a rounding.
    let lifted = next * Self.largestScale
    if scale == 1, lifted >= 1 {
      append(.scal(factor: ScaledDouble(1 / Self.largestScale), operand))
      return lifted
    }
    append(.scal(factor: ScaledDouble(factor) * (scale / Self.largestScale), operand))
    return Self.largestScale
  }

  /// Brings a scale back to 1...2¹² by a power of two, which the direction is multiplied by.
  private mutating func shiftDirection(_ scale: Double) -> Double {
    let next = ScaledDouble(scale)
    // The longest way down, and the shortest way up.
    let exponent = next.exponent < 0 ? next.exponent - 11 : next.exponent
    append(.scal(factor: ScaledDouble(1, exponent: exponent), .direction))
    return ScaledDouble(next.significand, exponent: next.exponent - exponent).double
  }
}
