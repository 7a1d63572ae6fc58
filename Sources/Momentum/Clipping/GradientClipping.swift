/// The clips that a gradient goes through: by value, by limits of each tensor, and by the norm of all tensors together,
/// always in this order.
///
/// ```swift
/// let clipping = try GradientClipping.byGlobalNorm(1)
/// let both = try GradientClipping(value: -5...5, whole: .norm(1))
/// ```
///
/// Recurrent networks need clipping, because their gradients are products of many Jacobians and sometimes explode
/// (Pascanu, Mikolov and Bengio, arXiv:1211.5063). Clipping by a norm keeps the direction of the gradient; clipping by
/// value does not.
public struct GradientClipping: Sendable, Hashable {
  /// A limit of each tensor on its own.
  public enum TensorLimit: Sendable, Hashable {
    /// The largest allowed norm of the tensor.
    case norm(Double)
    /// The largest allowed 2-norm of each unit of the tensor: TensorFlow's `clip_by_norm(t, clip_norm, axes)`.
    ///
    /// Every unit u of 2-norm N_u becomes `min(1, C / N_u) · u`, by the convention's formula for a tensor. A step reads
    /// the gradient once more, and the optimizer keeps about 50 bytes for each unit. Needs the shapes of the tensors,
    /// ``NormType/l2`` and ``NormAlgorithm/blas``.
    case unitNorm(Double, TensorUnits)
    /// The largest allowed root mean square of the tensor: `g / max(1, r/t)` with `r = N / √n` for the 2-norm N and n
    /// elements (Optax `clip_by_block_rms`). Costs as much as ``norm(_:)``; needs ``NormType/l2``.
    case rootMeanSquare(Double)
  }

  /// A limit of the norm of all tensors together.
  public enum WholeLimit: Sendable, Hashable {
    /// The largest allowed norm. Infinity measures the norm and clips nothing.
    case norm(Double)
    /// The norm that the gradient is scaled to, up or down: `g · t/N`, under the optax convention `g · t/(N + 1e-6)`
    /// (Optax `normalize_by_update_norm`). A gradient of norm 0 stays as it is.
    case target(Double)
  }

  /// The range that elements are moved into.
  public var value: ClosedRange<Double>?
  /// The limit of each tensor.
  public var tensor: TensorLimit?
  /// The limit of all tensors together.
  public var whole: WholeLimit?
  /// The norm that ``tensor`` and ``whole`` limit.
  public var normType: NormType
  /// The algorithm that computes the norm.
  public var algorithm: NormAlgorithm

  /// Combines clips.
  ///
  /// - Parameters:
  ///   - value: The range that elements are moved into; a bound may be infinite.
  ///   - tensor: The limit of each tensor, at least 0.
  ///   - whole: The limit of the norm of all tensors together, at least 0; a target must be above 0.
  ///   - normType: The norm that is limited.
  ///   - algorithm: The algorithm that computes the norm.
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

  /// No clipping. The norm is measured nevertheless, unless the ``NonFinitePolicy`` is ``NonFinitePolicy/propagate``: the
  /// others, of which `throw` is the default under the native convention, need to know whether elements are finite.
  /// ``measureOnly`` measures it under every policy.
  public static var none: GradientClipping { GradientClipping() }

  /// No clipping; the norm is measured and reported.
  public static var measureOnly: GradientClipping { GradientClipping(nil, nil, .norm(.infinity)) }

  /// Moves every element into `-limit...limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byValue(_ limit: Double) throws(MomentumError) -> GradientClipping {
    guard limit >= 0 else {
      throw .invalidSetting(name: "clip value", value: limit, expected: .atLeast(0))
    }
    return try GradientClipping(value: -limit...limit)
  }

  /// Scales every tensor to a norm of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byNorm(_ limit: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(tensor: .norm(limit), normType: type)
  }

  /// Scales every unit of every tensor to a 2-norm of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byNorm(_ limit: Double, of units: TensorUnits) throws(MomentumError) -> GradientClipping {
    try GradientClipping(tensor: .unitNorm(limit, units))
  }

  /// Scales every tensor to a root mean square of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byBlockRMS(_ limit: Double) throws(MomentumError) -> GradientClipping {
    try GradientClipping(tensor: .rootMeanSquare(limit))
  }

  /// Scales all tensors together to a norm of at most `limit`, with one common coefficient.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the limit is negative or NaN.
  public static func byGlobalNorm(_ limit: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(whole: .norm(limit), normType: type)
  }

  /// Scales all tensors together to the norm `target`, so that only the direction of the gradient counts.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` unless the target is positive and finite.
  public static func normalized(to target: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(whole: .target(target), normType: type)
  }
}

// MARK: - Questions of a step

extension GradientClipping {
  var isEmpty: Bool { value == nil && !limitsNorm }

  /// Whether these clips need a norm.
  var limitsNorm: Bool { tensor != nil || whole != nil }

  /// The limit of the norm of all tensors together; `nil` if there is none, or if there is a target instead.
  package var globalNorm: Double? {
    if case .norm(let limit) = whole { limit } else { nil }
  }

  /// The limit of the 2-norm of all tensors together, if that is all there is to do.
  var onlyGlobalNorm: Double? { value == nil && tensor == nil && normType == .l2 ? globalNorm : nil }

  /// The target of the norm of all tensors together.
  var targetNorm: Double? {
    if case .target(let target) = whole { target } else { nil }
  }

  /// The limit of the norm of a tensor as a whole.
  package var tensorNorm: Double? {
    if case .norm(let limit) = tensor { limit } else { nil }
  }

  /// The limit of the norm of each unit, and the units it holds for.
  package var unitLimit: (limit: Double, units: TensorUnits)? {
    if case .unitNorm(let limit, let units) = tensor { (limit, units) } else { nil }
  }

  /// Whether another clipping measures the same norm in the same way.
  func measuresAs(_ other: GradientClipping) -> Bool { normType == other.normType && algorithm == other.algorithm }

  var bounds: ValueBounds? { value.map { ValueBounds(lower: $0.lowerBound, upper: $0.upperBound) } }
}
