// The coefficient of each convention, from a norm and its limit.
extension Convention {
  /// The factor that brings a gradient of norm N to the limit C, evaluated in `Double` in the order of the formula.
  ///
  /// - Parameters:
  ///   - norm: N; NaN or infinite if an element is.
  ///   - limit: C, at least 0.
  ///   - isWhole: Whether N is the norm of all tensors together.
  func coefficient(norm: ScaledDouble, limit: Double, isWhole: Bool) -> ScaledDouble {
    let one = ScaledDouble(1)
    if limit == .infinity { return one }
    if norm.significand == 0 { return one }
    let (n, c) = (norm, ScaledDouble(limit))
    if n.significand.isNaN { return self == .keras && limit == 0 ? one : ScaledDouble(.nan) }
    // Optax and MLX do not clip single tensors, so they have no formula to follow.
    switch isWhole || (self != .optax && self != .mlx) ? self : .native {
    case .native:
      // A gradient of infinite norm has no direction left to keep. NaN shows that; a zero would hide it.
      if n.significand.isInfinite { return ScaledDouble(.nan) }
      return n <= c ? one : c / n
    case .pytorch:
      let factor = c / (n + 1e-6)
      return factor < one ? factor : one
    case .keras:
      if limit == 0 { return one }
      if !isWhole { return c / (c < n ? n : c) }
      if n.significand.isInfinite { return ScaledDouble(.nan) }
      let (inverse, inverseLimit) = (one / n, one / c)
      return c * (inverse < inverseLimit ? inverse : inverseLimit)
    case .optax:
      return n < c ? one : c / n
    case .mlx:
      return n < c ? one : c / (n + 1e-6)
    }
  }

  /// The factor that brings a gradient of norm N to the norm `target`, whether N is larger or smaller.
  func coefficient(norm: ScaledDouble, target: Double) -> ScaledDouble {
    if norm.significand == 0 { return ScaledDouble(1) }
    // Only Optax has such an option. A gradient of infinite norm has no direction left to keep.
    guard self == .optax else { return norm.significand.isInfinite ? ScaledDouble(.nan) : ScaledDouble(target) / norm }
    return ScaledDouble(target) / (norm + 1e-6)
  }

  /// The factor that brings a gradient of root mean square r to the limit t: `1 / max(1, r/t)`.
  ///
  /// Optax is the only library with such a clip, so all conventions use its formula. They differ only for an infinite
  /// gradient: its finite elements become 0 under the optax convention, and all its elements NaN under the others.
  func coefficient(rootMeanSquare: ScaledDouble, limit: Double) -> ScaledDouble {
    let one = ScaledDouble(1)
    if limit == .infinity || rootMeanSquare.significand == 0 { return one }
    if rootMeanSquare.significand.isInfinite { return ScaledDouble(self == .optax ? 0 : .nan) }
    return rootMeanSquare <= ScaledDouble(limit) ? one : ScaledDouble(limit) / rootMeanSquare
  }
}
