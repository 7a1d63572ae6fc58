/// Whose formulas a step and its clipping follow, where the libraries in use differ.
///
/// Safety does not depend on the convention: ranges are checked, norms neither overflow nor underflow, finite input never
/// makes a NaN, and the limit `+inf` measures only. All formulas and edge cases are in <doc:Conventions>.
public enum Convention: String, Sendable, Hashable, Codable, CaseIterable {
  /// This library's own. Learning rate outside the velocity, which starts at zero and is damped from the first step on;
  /// clipping leaves a norm up to the limit alone and has no epsilon.
  case native
  /// PyTorch. As native, but the first step is not damped, and the coefficient is `min(1, C / (N + 1e-6))`.
  case pytorch
  /// Keras and TensorFlow. Learning rate inside the velocity; decoupled weight decay; the coefficient is `C · min(1/N, 1/C)`,
  /// for a single tensor `C / max(N, C)`; a limit of 0 turns clipping off.
  case keras
  /// Optax. As native; the norm of the whole is left alone if it is less than the limit.
  case optax
  /// MLX in Swift. As native; the norm of the whole is left alone if it is less than the limit, otherwise the coefficient is
  /// `C / (N + 1e-6)`.
  case mlx
}

extension Convention {
  /// Whether the learning rate is multiplied into the velocity (`v ← mv − lr·g; p ← p + v`) or onto it (`p ← p − lr·v`).
  public var keepsLearningRateInVelocity: Bool { self == .keras }

  /// Whether the gradient of a tensor's first step enters the velocity without dampening.
  var leavesFirstStepUndamped: Bool { self == .pytorch }

  /// Whether weight decay bypasses the velocity unless asked otherwise.
  var decouplesWeightDecay: Bool { self == .keras }

  /// What a convention does about NaN and infinite gradients unless told otherwise: the other libraries let them pass.
  var defaultNonFinitePolicy: NonFinitePolicy { self == .native ? .throw : .propagate }

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
}

extension Convention {
  /// The factor that brings a gradient of norm N to a norm, whether it is larger or smaller.
  func coefficient(norm: ScaledDouble, target: Double) -> ScaledDouble {
    if norm.significand == 0 { return ScaledDouble(1) }
    // The others have no such option. An infinite norm has no direction left to keep.
    guard self == .optax else { return norm.significand.isInfinite ? ScaledDouble(.nan) : ScaledDouble(target) / norm }
    return ScaledDouble(target) / (norm + 1e-6)
  }
}

/// What to do when a gradient holds a NaN or an infinity. Elements decide, not the norm, which may exceed its type although
/// every element is finite.
public enum NonFinitePolicy: String, Sendable, Hashable, Codable, CaseIterable {
  /// Arithmetic goes on; what becomes of the gradient depends on the clips and the convention, see <doc:Conventions>.
  case propagate
  /// The step throws ``MomentumError/nonFiniteGradient(tensor:index:value:)``; nothing has been written.
  case `throw`
  /// The step does not happen: parameters, velocity and step count keep their bits; the report says so.
  case skipStep
  /// Every NaN and infinite element counts as 0.
  case zero
}
