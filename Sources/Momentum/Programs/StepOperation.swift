/// One operation of a ``StepProgram``, on one tile.
public enum StepOperation: Sendable, Hashable {
  /// `into ← factor·from + into` (`cblas_?axpy`).
  case axpy(factor: ScaledDouble, from: Operand, into: Operand)
  /// `vector ← factor·vector` (`cblas_?scal`).
  case scal(factor: ScaledDouble, Operand)
  /// `into ← from` (`cblas_?copy`).
  case copy(from: Operand, into: Operand)
  /// `vector ← sign(vector)`: 1, -1, or 0 for both zeros; NaN stays.
  case sign(Operand)
  /// `into ← decay·into + (factor·from)²`, each operation rounded by itself.
  case averageSquares(decay: Double, factor: ScaledDouble, from: Operand, into: Operand)
  /// `vector ← vector / (√of + epsilon)`, each operation rounded by itself.
  case divideByRoot(of: Operand, epsilon: ScaledDouble, Operand)
  /// `update ← transform(update)`, of the whole tensor (``UpdateRule/transform``): the operations before it have run on
  /// all tiles of the tensor. Those behind it find neither the gradient nor what was in the copy. At most one in a
  /// program.
  case transform
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

extension StepOperation: CustomStringConvertible {
  /// The operation as an assignment, for example `direction += 0.5 * gradient`.
  public var description: String {
    switch self {
    case .axpy(let factor, let from, let into): "\(into) += \(factor) * \(from)"
    case .scal(let factor, let vector): "\(vector) *= \(factor)"
    case .copy(let from, let into): "\(into) = \(from)"
    case .sign(let vector): "\(vector) = sign(\(vector))"
    case .averageSquares(let decay, let factor, let from, let into):
      "\(into) = \(decay) * \(into) + (\(factor) * \(from))^2"
    case .divideByRoot(let root, let epsilon, let vector): "\(vector) /= sqrt(\(root)) + \(epsilon)"
    case .transform: "update = transform(update)"
    case .clearNonFinite(let inPlace): "gradient\(Self.place(inPlace)) = finite elements or 0"
    case .clamp(let lower, let upper, let inPlace): "gradient\(Self.place(inPlace)) = clamp to \(lower)...\(upper)"
    case .scaleUnits(_, let inPlace): "gradient\(Self.place(inPlace)) *= factor of each unit"
    }
  }

  private static func place(_ isInPlace: Bool) -> String { isInPlace ? "" : " (copy)" }
}
