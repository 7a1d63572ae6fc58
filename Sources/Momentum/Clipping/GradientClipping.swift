/// Which clips a gradient goes through: by value, by the norm of each tensor, by the norm of all tensors together, always in
/// this order.
///
/// ```swift
/// let clipping = try GradientClipping.byGlobalNorm(1)
/// let both = try GradientClipping(value: -5...5, globalNorm: 1)
/// ```
///
/// Recurrent networks need this: their gradients are products of many Jacobians and explode now and then (Pascanu, Mikolov
/// and Bengio, arXiv:1211.5063). Clipping by a norm keeps the direction of the gradient; clipping by value does not.
public struct GradientClipping: Sendable, Hashable, Codable {
  /// Elements are moved into this range.
  public var value: ClosedRange<Double>?
  /// The largest norm of a tensor, or with ``normUnits`` of each unit of it.
  public var norm: Double?
  /// What ``norm`` holds for: by default, and with ``TensorUnits/tensor``, for each tensor.
  ///
  /// With axes it is TensorFlow's `clip_by_norm(t, clip_norm, axes)`: every unit u becomes `min(1, C / N_u) · u` for its
  /// 2-norm N_u, by the convention's formula for a tensor. Reads the gradient once more, and keeps about 50 bytes for each
  /// unit. Needs the shapes of the tensors, ``NormType/l2`` and ``NormAlgorithm/blas``.
  public var normUnits: TensorUnits?
  /// The largest root mean square of a tensor, in place of ``norm``: `g / max(1, r/t)` with `r = N / √n` for the 2-norm N and
  /// n elements (Optax `clip_by_block_rms`). Costs what ``norm`` does; needs ``NormType/l2``.
  public var blockRMS: Double?
  /// The largest norm of all tensors together. Infinity measures the norm and clips nothing.
  public var globalNorm: Double?
  /// Which norm ``norm`` and ``globalNorm`` limit.
  public var normType: NormType
  /// How the norm is computed.
  public var algorithm: NormAlgorithm

  /// Combines clips.
  ///
  /// - Parameters:
  ///   - value: The range that elements are moved into; a bound may be infinite.
  ///   - norm: The largest norm of a tensor, at least 0.
  ///   - normUnits: What `norm` holds for; by default for each tensor.
  ///   - blockRMS: The largest root mean square of a tensor, at least 0; not together with `norm`.
  ///   - globalNorm: The largest norm of all tensors together, at least 0.
  ///   - normType: Which norm.
  ///   - algorithm: How it is computed.
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)``.
  public init(
    value: ClosedRange<Double>? = nil, norm: Double? = nil, normUnits: TensorUnits? = nil, blockRMS: Double? = nil,
    globalNorm: Double? = nil, normType: NormType = .l2, algorithm: NormAlgorithm = .blas
  ) throws(MomentumError) {
    self.value = value
    self.norm = norm
    self.normUnits = normUnits
    self.blockRMS = blockRMS
    self.globalNorm = globalNorm
    self.normType = normType
    self.algorithm = algorithm
    try validate(.native)
  }

  private init() {
    (normType, algorithm) = (.l2, .blas)
  }

  /// No clipping, and no norm measured.
  public static var none: GradientClipping { GradientClipping() }

  /// No clipping; the norm is measured and reported.
  public static var measureOnly: GradientClipping {
    var clipping = GradientClipping()
    clipping.globalNorm = .infinity
    return clipping
  }

  /// Every element into `-limit...limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` if the limit is negative or NaN.
  public static func byValue(_ limit: Double) throws(MomentumError) -> GradientClipping {
    guard limit >= 0 else {
      throw .invalidSetting(name: "clip value", value: "\(limit)", expected: "a number >= 0")
    }
    return try GradientClipping(value: -limit...limit)
  }

  /// Every tensor to a norm of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` if the limit is negative or NaN.
  public static func byNorm(_ limit: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(norm: limit, normType: type)
  }

  /// Every unit of every tensor to a 2-norm of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` if the limit is negative or NaN.
  public static func byNorm(_ limit: Double, of units: TensorUnits) throws(MomentumError) -> GradientClipping {
    try GradientClipping(norm: limit, normUnits: units)
  }

  /// Every tensor to a root mean square of at most `limit`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` if the limit is negative or NaN.
  public static func byBlockRMS(_ limit: Double) throws(MomentumError) -> GradientClipping {
    try GradientClipping(blockRMS: limit)
  }

  /// All tensors together to a norm of at most `limit`, with one common coefficient.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` if the limit is negative or NaN.
  public static func byGlobalNorm(_ limit: Double, type: NormType = .l2) throws(MomentumError) -> GradientClipping {
    try GradientClipping(globalNorm: limit, normType: type)
  }

  var isEmpty: Bool { value == nil && norm == nil && blockRMS == nil && globalNorm == nil }

  /// Whether a norm has to be measured to clip.
  var limitsNorm: Bool { norm != nil || blockRMS != nil || globalNorm != nil }

  /// Whether another clipping measures the same norm in the same way.
  func measuresAs(_ other: GradientClipping) -> Bool {
    normType.simplified == other.normType.simplified && algorithm == other.algorithm
  }

  var bounds: ValueBounds? { value.map { ValueBounds(lower: $0.lowerBound, upper: $0.upperBound) } }

  /// Checks the settings, which may have been assigned one by one.
  func validate(_ convention: Convention) throws(MomentumError) {
    if let value {
      // A range of NaN cannot be made with `...`, but a decoded one could.
      guard value.lowerBound <= value.upperBound else {
        throw .invalidSetting(name: "clip value", value: "\(value)", expected: "a range of numbers")
      }
    }
    func check(_ name: String, _ limit: Double?) throws(MomentumError) {
      guard let limit, !(limit >= 0) else { return }
      throw .invalidSetting(name: name, value: "\(limit)", expected: "a number >= 0; \(convention.fate(of: limit))")
    }
    try check("clip norm", norm)
    try check("clip block RMS", blockRMS)
    try check("clip global norm", globalNorm)
    let clipsWhole = globalNorm.map { $0 < .infinity } ?? false
    try normType.validate(forClipping: norm != nil || clipsWhole)
    try validateUnits()
    let clips =
      (value != nil ? 1 : 0) + (norm != nil ? 1 : 0) + (blockRMS != nil ? 1 : 0) + (clipsWhole ? 1 : 0)
    if convention == .keras, clips > 1 {
      throw .invalidSetting(
        name: "clipping", value: "\(clips) kinds at once", expected: "at most one under the keras convention")
    }
  }

  private func validateUnits() throws(MomentumError) {
    if let blockRMS {
      if norm != nil {
        throw .invalidSetting(
          name: "clip block RMS", value: "\(blockRMS)", expected: "no clip norm besides: both limit each tensor")
      }
      if normType.simplified != .l2 {
        throw .invalidSetting(name: "normType", value: "\(normType.order)", expected: "2 to clip by block RMS")
      }
    }
    guard let normUnits else { return }
    if norm == nil {
      throw .invalidSetting(name: "normUnits", value: "\(normUnits)", expected: "a clip norm that holds for each unit")
    }
    guard normUnits != .tensor else { return }
    if normType.simplified != .l2 {
      throw .invalidSetting(name: "normType", value: "\(normType.order)", expected: "2 to clip units")
    }
    if algorithm != .blas {
      throw .invalidSetting(name: "algorithm", value: algorithm.rawValue, expected: "blas to clip units")
    }
  }
}

extension Convention {
  /// What the library of this convention does with a limit that is refused here.
  fileprivate func fate(of limit: Double) -> String {
    switch self {
    case .native: "a negative limit would flip the sign of the gradient"
    case .pytorch: limit.isNaN ? "PyTorch would make every element NaN" : "PyTorch would flip the sign of the gradient"
    case .keras: "Keras would silently not clip"
    case .optax: limit.isNaN ? "Optax would make every element NaN" : "Optax would flip the sign of the gradient"
    case .mlx: limit.isNaN ? "MLX would make every element NaN" : "mlx-swift would flip the sign of the gradient"
    }
  }
}
