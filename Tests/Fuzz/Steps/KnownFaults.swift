/// Faults of the engine that are known and not mended yet; to end an exception, set its constant to false.
enum KnownFaults {
  /// A velocity is stored as a scale times a vector, and the scale goes down to 2⁻¹². So a velocity, or an average,
  /// beyond the largest number divided by 4096 may become infinite where a plain loop stays finite.
  static let storedVectorOverflows = true

  /// The file of a state holds folded vectors, and saving folds those of the optimizer too.
  static let savingFolds = true

  /// The number of elements that are not 0, which `NormType.p(0)` measures, is multiplied by the factor of accumulation and
  /// loss scale as if it were a norm.
  static let countsAreScaled = true

  /// For p below 1 elements count as 0, or lose digits, below 10^-308 of the largest and not only below 10^(-308/p).
  static let quotientsUnderflow = true

  /// `AdaptiveGradientClipping` around a `LARS` that does not adapt: where a tensor is one unit, the factor that clips its
  /// gradient scales the decay too.
  static let adaptiveClippingScalesDecay = true
}
