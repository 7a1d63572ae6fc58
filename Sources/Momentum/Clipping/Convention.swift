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
}
