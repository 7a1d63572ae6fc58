// What each convention makes of a norm and its limit.
extension Convention {
  /// The factor that brings a gradient of norm N to the limit C, evaluated in `Double` in the order of the formula.
  ///
  /// - Parameters:
  ///   - norm: N, NaN or infinite if elements are.
  ///   - limit: C, at least 0.
  ///   - isWhole: Whether N is the norm of all tensors together.
  func coefficient(norm: ScaledDouble, limit: Double, isWhole: Bool) -> ScaledDouble {
    let one = ScaledDouble(1)
    if limit == .infinity { return one }
    if norm.significand == 0 { return one }
    let (n, c) = (norm, ScaledDouble(limit))
    if n.significand.isNaN { return self == .keras && limit == 0 ? one : ScaledDouble(.nan) }
    // Optax and MLX clip no single tensors, so there is no formula of theirs to follow.
    switch isWhole || (self != .optax && self != .mlx) ? self : .native {
    case .native:
      // An infinite norm has no direction left to keep: NaN is loud where a zero would be silent.
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

  /// The factor that brings a gradient of norm N to a norm, whether it is larger or smaller.
  func coefficient(norm: ScaledDouble, target: Double) -> ScaledDouble {
    if norm.significand == 0 { return ScaledDouble(1) }
    // The others have no such option. An infinite norm has no direction left to keep.
    guard self == .optax else { return norm.significand.isInfinite ? ScaledDouble(.nan) : ScaledDouble(target) / norm }
    return ScaledDouble(target) / (norm + 1e-6)
  }

  /// The factor that brings a gradient of root mean square r to the limit t: `1 / max(1, r/t)`.
  ///
  /// Optax is the one library with such a clip, so there is one formula; only an infinite gradient, which Optax makes 0 where it
  /// is finite, is NaN under the other conventions.
  func coefficient(rootMeanSquare: ScaledDouble, limit: Double) -> ScaledDouble {
    let one = ScaledDouble(1)
    if limit == .infinity || rootMeanSquare.significand == 0 { return one }
    if rootMeanSquare.significand.isInfinite { return ScaledDouble(self == .optax ? 0 : .nan) }
    return rootMeanSquare <= ScaledDouble(limit) ? one : ScaledDouble(limit) / rootMeanSquare
  }
}
