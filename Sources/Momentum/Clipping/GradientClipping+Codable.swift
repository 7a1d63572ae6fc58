extension GradientClipping: Codable {
  private static let keys = [
    "value", "norm", "normUnits", "blockRMS", "globalNorm", "targetNorm", "normType", "algorithm",
  ]

  /// Decodes the form of a configuration: `value` (v for -v...v, or a list of both bounds), `norm` with or without
  /// `normUnits`, or `blockRMS`; `globalNorm` or `targetNorm`; `normType`, `algorithm`.
  ///
  /// - Throws: `DecodingError`, with the path of what is wrong: unknown keys by name, clips that exclude each other,
  ///   numbers out of range.
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: Self.keys)
    let value = try object.optional("value", as: ValueForm.self)?.range
    let norm = try object.optional("norm", as: LimitForm.self)?.limit
    let units = try object.optional("normUnits", as: TensorUnits.self)
    let blockRMS = try object.optional("blockRMS", as: LimitForm.self)?.limit
    let globalNorm = try object.optional("globalNorm", as: LimitForm.self)?.limit
    let targetNorm: Double? = try object.optional("targetNorm")
    let order = try object.optional("normType", as: LimitForm.self)?.limit ?? 2
    let algorithm: NormAlgorithm = try object.optional("algorithm") ?? .blas
    self = try object.checked { () throws(MomentumError) in
      try GradientClipping(
        value: value, tensor: Self.tensorLimit(norm, units, blockRMS), whole: Self.wholeLimit(globalNorm, targetNorm),
        normType: NormType(order: order), algorithm: algorithm)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encodeIfPresent(value.map { ValueForm(range: $0) }, forKey: NameKey("value"))
    switch tensor {
    case .norm(let limit): try container.encode(LimitForm(limit: limit), forKey: NameKey("norm"))
    case .unitNorm(let limit, let units):
      try container.encode(LimitForm(limit: limit), forKey: NameKey("norm"))
      try container.encode(units, forKey: NameKey("normUnits"))
    case .rootMeanSquare(let limit): try container.encode(LimitForm(limit: limit), forKey: NameKey("blockRMS"))
    case nil: break
    }
    switch whole {
    case .norm(let limit): try container.encode(LimitForm(limit: limit), forKey: NameKey("globalNorm"))
    case .target(let target): try container.encode(target, forKey: NameKey("targetNorm"))
    case nil: break
    }
    if normType != .l2 { try container.encode(normType, forKey: NameKey("normType")) }
    if algorithm != .blas { try container.encode(algorithm, forKey: NameKey("algorithm")) }
  }

  // Combinations that the keys of a text allow and a value cannot hold.

  /// The limit of each tensor that these settings describe, as keys of a configuration or options of the command.
  package static func tensorLimit(
    _ norm: Double?, _ units: TensorUnits?, _ blockRMS: Double?
  ) throws(MomentumError) -> TensorLimit? {
    switch (norm, units, blockRMS) {
    case (_?, _, let blockRMS?):
      throw .invalidSetting(
        name: "clip block RMS", value: blockRMS,
        expected: .words("no clip norm besides: both limit each tensor"))
    case (let norm?, let units?, nil): return .unitNorm(norm, units)
    case (let norm?, nil, nil): return .norm(norm)
    case (nil, let units?, _):
      throw .invalidSetting(name: "normUnits", value: "\(units)", expected: "a clip norm that holds for each unit")
    case (nil, nil, let blockRMS?): return .rootMeanSquare(blockRMS)
    case (nil, nil, nil): return nil
    }
  }

  /// The limit of all tensors together that one of these settings describes.
  package static func wholeLimit(_ globalNorm: Double?, _ targetNorm: Double?) throws(MomentumError) -> WholeLimit? {
    guard let globalNorm else { return targetNorm.map { .target($0) } }
    guard targetNorm == nil else {
      throw .invalidSetting(name: "clip global norm", value: globalNorm, expected: .words("none with a target norm"))
    }
    return .norm(globalNorm)
  }
}

/// The range of clipping by value: a number for a range around 0, or a list of both bounds.
private struct ValueForm: Codable {
  let range: ClosedRange<Double>

  init(range: ClosedRange<Double>) { self.range = range }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let bounds: [Double]
    if let both = try? container.decode([LimitForm].self) {
      bounds = both.map(\.limit)
    } else {
      let limit = try container.decode(LimitForm.self).limit
      bounds = [-limit, limit]
    }
    guard bounds.count == 2, bounds[0] <= bounds[1] else {
      throw DecodingError.dataCorruptedError(
        in: container,
        debugDescription: "clip value is \(bounds); expected a number >= 0, or a lower and an upper bound")
    }
    range = bounds[0]...bounds[1]
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if range.lowerBound == -range.upperBound {
      try container.encode(LimitForm(limit: range.upperBound))
    } else {
      try container.encode([LimitForm(limit: range.lowerBound), LimitForm(limit: range.upperBound)])
    }
  }
}
