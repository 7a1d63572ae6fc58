/// The library whose formulas a step and its clipping follow, where libraries differ.
///
/// Safety does not depend on the convention: under each of them settings are checked for their range, norms neither
/// overflow nor underflow, finite input never becomes NaN, and the limit `+inf` measures without clipping. All formulas
/// and edge cases are in <doc:Conventions>.
public enum Convention: String, Sendable, Hashable, Codable, CaseIterable {
  /// The formulas of this library. The learning rate is applied outside the velocity. The velocity starts at zero, and
  /// dampening holds from the first step on. A norm up to the limit is left alone, and the coefficient has no epsilon.
  case native
  /// The formulas of PyTorch. As ``native``, but dampening starts with the second step, and the coefficient is
  /// `min(1, C / (N + 1e-6))`.
  case pytorch
  /// The formulas of Keras and TensorFlow. The learning rate is part of the velocity, and weight decay is decoupled.
  /// The coefficient is `C · min(1/N, 1/C)`, for a single tensor `C / max(N, C)`. A limit of 0 turns clipping off.
  case keras
  /// The formulas of Optax. As ``native``, but the gradient is left alone only if the norm of all tensors is less than
  /// the limit.
  case optax
  /// The formulas of MLX Swift. As ``native``, but the gradient is left alone only if the norm of all tensors is less
  /// than the limit; otherwise the coefficient is `C / (N + 1e-6)`.
  case mlx
}

extension Convention {
  /// Whether the learning rate is part of the velocity (`v ← mv − lr·g; p ← p + v`) or is applied to it
  /// (`p ← p − lr·v`).
  public var keepsLearningRateInVelocity: Bool { self == .keras }

  /// Whether the gradient of a tensor's first step enters the velocity without dampening.
  var leavesFirstStepUndamped: Bool { self == .pytorch }

  /// Whether weight decay bypasses the velocity by default.
  var decouplesWeightDecay: Bool { self == .keras }

  /// The default treatment of NaN and infinite gradients: the other libraries let them pass.
  var defaultNonFinitePolicy: NonFinitePolicy { self == .native ? .throw : .propagate }
}
