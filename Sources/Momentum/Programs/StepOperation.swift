/// One operation of a ``StepProgram``, on one tile.
public enum StepOperation: Sendable, Hashable {
  /// `into ← factor·from + into` (`cblas_?axpy`).
  case axpy(factor: ScaledDouble, from: Operand, into: Operand)
  /// `vector ← factor·vector` (`cblas_?scal`).
  case scal(factor: ScaledDouble, Operand)
  /// `into ← from` (`cblas_?copy`).
  case copy(from: Operand, into: Operand)
  /// Replaces NaN and infinite elements of the gradient by 0. Unless `inPlace`, it writes a scratch copy, which later
  /// operations use.
  case clearNonFinite(inPlace: Bool)
  /// Moves the elements of the gradient to the nearest bound. Unless `inPlace`, it writes a scratch copy, which later
  /// operations use.
  case clamp(lower: Double, upper: Double, inPlace: Bool)
  /// Multiplies the gradient of each unit by its factor, which the engine keeps. Unless `inPlace`, it writes a scratch
  /// copy, which later operations use. Appended only by the engine.
  case scaleUnits(UnitScaling, inPlace: Bool)
}
