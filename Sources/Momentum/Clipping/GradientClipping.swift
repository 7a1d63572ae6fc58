/// Which clips a gradient goes through: by value, by limits of each tensor, by the norm of all tensors together, always in
/// this order.
///
/// ```swift
/// let clipping = try GradientClipping.byGlobalNorm(1)
/// let both = try GradientClipping(value: -5...5, whole: .norm(1))
/// ```
///
/// Recurrent networks need this: their gradients are products of many Jacobians and explode now and then (Pascanu, Mikolov
/// and Bengio, arXiv:1211.5063). Clipping by a norm keeps the direction of the gradient; clipping by value does not.
public struct GradientClipping: Sendable, Hashable {
  /// What limits each tensor on its own.
  public enum TensorLimit: Sendable, Hashable {
    /// Its norm is at most this.
    case norm(Double)
    /// The 2-norm of each of its units is at most this: TensorFlow's `clip_by_norm(t, clip_norm, axes)`.
    ///
    /// Every unit u becomes `min(1, C / N_u) · u` for its 2-norm N_u, by the convention's formula for a tensor. Reads the
    /// gradient once more, and keeps about 50 bytes for each unit. Needs the shapes of the tensors, ``NormType/l2`` and
    /// ``NormAlgorithm/blas``.
    case unitNorm(Double, TensorUnits)
    /// Its root mean square is at most this: `g / max(1, r/t)` with `r = N / √n` for the 2-norm N and n elements (Optax
    /// `clip_by_block_rms`). Costs what ``norm(_:)`` does; needs ``NormType/l2``.
    case rootMeanSquare(Double)
  }

  /// What limits the norm of all tensors together.
  public enum WholeLimit: Sendable, Hashable {
    /// It is at most this. Infinity measures the norm and clips nothing.
    case norm(Double)
    /// It is brought to this, whether it is larger or smaller: `g · t/N`, under the optax convention `g · t/(N + 1e-6)` (Optax
    /// `normalize_by_update_norm`). A gradient of norm 0 stays what it is.
    case target(Double)
  }

  /// Elements are moved into this range.
  public var value: ClosedRange<Double>?
  /// What limits each tensor.
  public var tensor: TensorLimit?
  /// What limits all tensors together.
  public var whole: WholeLimit?
  /// Which norm ``tensor`` and ``whole`` mean.
  public var normType: NormType
  /// How the norm is computed.
  public var algorithm: NormAlgorithm

  /// Combines clips.
  ///
  /// - Parameters:
  ///   - value: The range that elements are moved into; a bound may be infinite.
  ///   - tensor: What limits each tensor, at least 0.
  ///   - whole: What limits the norm of all tensors together: at least 0; a target above 0.
  ///   - normType: Which norm.
  ///   - algorithm: How it is computed.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    value: ClosedRange<Double>? = nil, tensor: TensorLimit? = nil, whole: WholeLimit? = nil, normType: NormType = .l2,
    algorithm: NormAlgorithm = .blas
  ) throws(MomentumError) {
    self.init(value, tensor, whole, normType, algorithm)
    try validate(.native)
  }

  private init(
    _ value: ClosedRange<Double>? = nil, _ tensor: TensorLimit? = nil, _ whole: WholeLimit? = nil,
    _ normType: NormType = .l2, _ algorithm: NormAlgorithm = .blas
  ) {
    (self.value, self.tensor, self.whole) = (value, tensor, whole)
    (self.normType, self.algorithm) = (normType, algorithm)
  }

  /// No clipping. The norm is measured only if the ``NonFinitePolicy`` has to know whether elements are finite.
  public static var none: GradientClipping { GradientClipping() }

  /// No clipping; the norm is measured and reported.
  public static var measureOnly: GradientClipping { GradientClipping(nil, nil, .norm(.infinity)) }

  /// Every element into `-limit...limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byValue(_ limit: Double) throws(MomentumError) -> GradientClipping {
    guard limit >= 0 else {
      throw .invalidSetting(name: "clip value", value: limit, expected: .atLeast(0))
    }
    return try GradientClipping(value: -limit...limit)
  }

  /// Every tensor to a norm of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byNorm(_ limit: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(tensor: .norm(limit), normType: type)
  }

  /// Every unit of every tensor to a 2-norm of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byNorm(_ limit: Double, of units: TensorUnits) throws(MomentumError) -> GradientClipping {
    try GradientClipping(tensor: .unitNorm(limit, units))
  }

  /// Every tensor to a root mean square of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byBlockRMS(_ limit: Double) throws(MomentumError) -> GradientClipping {
    try GradientClipping(tensor: .rootMeanSquare(limit))
  }

  /// All tensors together to a norm of at most `limit`, with one common coefficient.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byGlobalNorm(_ limit: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(whole: .norm(limit), normType: type)
  }

  /// All tensors together to exactly the norm `target`: only the direction of the gradient counts.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` unless the target is positive and finite.
  public static func normalized(to target: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(whole: .target(target), normType: type)
  }
}

// MARK: - What steps ask

extension GradientClipping {
  var isEmpty: Bool { value == nil && !limitsNorm }

  /// Whether a norm has to be measured to clip.
  var limitsNorm: Bool { tensor != nil || whole != nil }

  /// The largest norm of all tensors together; `nil` if there is none, or if the norm is brought to a target.
  package var globalNorm: Double? {
    if case .norm(let limit) = whole { limit } else { nil }
  }

  /// The norm that all tensors together are brought to.
  var targetNorm: Double? {
    if case .target(let target) = whole { target } else { nil }
  }

  /// The largest norm of a tensor as a whole.
  package var tensorNorm: Double? {
    if case .norm(let limit) = tensor { limit } else { nil }
  }

  /// The limit of each unit of a tensor, and what the units are.
  package var unitLimit: (limit: Double, units: TensorUnits)? {
    if case .unitNorm(let limit, let units) = tensor { (limit, units) } else { nil }
  }

  /// Whether another clipping measures the same norm in the same way.
  func measuresAs(_ other: GradientClipping) -> Bool { normType == other.normType && algorithm == other.algorithm }

  var bounds: ValueBounds? { value.map { ValueBounds(lower: $0.lowerBound, upper: $0.upperBound) } }
}
