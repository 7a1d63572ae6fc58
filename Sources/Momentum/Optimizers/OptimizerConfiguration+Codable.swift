extension OptimizerConfiguration: Codable {
  private static let keys = [
    "convention", "rule", "groups", "clipping", "averaging", "nonFinitePolicy", "mode",
  ]

  /// - Throws: `DecodingError`, with the path of what is wrong.
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: Self.keys)
    convention = try object.optional("convention") ?? .native
    rule = try object.value("rule")
    groups = try object.optional("groups") ?? []
    clipping = try object.optional("clipping", as: ClippingForm.self)?.clipping ?? .none
    averaging = try object.optional("averaging", as: AveragingForm.self)?.averaging
    nonFinitePolicy = try object.optional("nonFinitePolicy")
    mode = try object.optional("mode") ?? .twoPass

    let whole = self
    try object.checked(at: [NameKey("rule")]) { () throws(MomentumError) in
      _ = try whole.rule.makeRule(whole.convention)
    }
    for (index, group) in groups.enumerated() {
      try object.checked(at: [NameKey("groups"), NameKey(index: index), NameKey("rule")]) { () throws(MomentumError) in
        _ = try whole.makeRule(of: group)
      }
    }
    try object.checked { () throws(MomentumError) in try whole.validate() }
  }

  /// - Throws: `EncodingError` if a schedule is code.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(convention, forKey: NameKey("convention"))
    try container.encode(rule, forKey: NameKey("rule"))
    if !groups.isEmpty { try container.encode(groups, forKey: NameKey("groups")) }
    if clipping != .none { try container.encode(ClippingForm(clipping: clipping), forKey: NameKey("clipping")) }
    try container.encodeIfPresent(averaging.map { AveragingForm(averaging: $0) }, forKey: NameKey("averaging"))
    try container.encodeIfPresent(nonFinitePolicy, forKey: NameKey("nonFinitePolicy"))
    if mode != .twoPass { try container.encode(mode, forKey: NameKey("mode")) }
  }
}

extension OptimizerConfiguration.Group: Codable {
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: ["name", "patterns", "rule", "clipping"])
    name = try object.value("name")
    patterns = try object.value("patterns")
    rule = try object.optional("rule")
    clipping = try object.optional("clipping", as: ClippingForm.self)?.clipping
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(name, forKey: NameKey("name"))
    try container.encode(patterns, forKey: NameKey("patterns"))
    try container.encodeIfPresent(rule, forKey: NameKey("rule"))
    try container.encodeIfPresent(clipping.map { ClippingForm(clipping: $0) }, forKey: NameKey("clipping"))
  }
}

/// How a configuration writes clips down.
private struct ClippingForm: Codable {
  let clipping: GradientClipping

  init(clipping: GradientClipping) { self.clipping = clipping }

  init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: ["value", "norm", "globalNorm", "normType", "algorithm"])
    let value = try object.optional("value", as: ValueForm.self)?.range
    let norm = try object.optional("norm", as: LimitForm.self)?.limit
    let globalNorm = try object.optional("globalNorm", as: LimitForm.self)?.limit
    // Decoding a norm type checks its order; its error has no path yet.
    let order = try object.optional("normType", as: LimitForm.self)?.limit ?? 2
    let algorithm: NormAlgorithm = try object.optional("algorithm") ?? .blas
    clipping = try object.checked { () throws(MomentumError) in
      try GradientClipping(
        value: value, norm: norm, globalNorm: globalNorm, normType: NormType(order: order), algorithm: algorithm)
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encodeIfPresent(clipping.value.map { ValueForm(range: $0) }, forKey: NameKey("value"))
    try container.encodeIfPresent(clipping.norm.map { LimitForm(limit: $0) }, forKey: NameKey("norm"))
    try container.encodeIfPresent(clipping.globalNorm.map { LimitForm(limit: $0) }, forKey: NameKey("globalNorm"))
    if clipping.normType != .l2 { try container.encode(clipping.normType, forKey: NameKey("normType")) }
    if clipping.algorithm != .blas { try container.encode(clipping.algorithm, forKey: NameKey("algorithm")) }
  }
}

/// A number, `"inf"` or `"-inf"`.
private struct LimitForm: Codable {
  let limit: Double

  init(limit: Double) { self.limit = limit }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    switch try? container.decode(String.self) {
    case "inf": limit = .infinity
    case "-inf": limit = -.infinity
    case nil: limit = try container.decode(Double.self)
    case let text?:
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no number and not 'inf'")
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if limit.isFinite { try container.encode(limit) } else { try container.encode(limit > 0 ? "inf" : "-inf") }
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

/// How a configuration writes an average down.
private struct AveragingForm: Codable {
  let averaging: WeightAveraging

  init(averaging: WeightAveraging) { self.averaging = averaging }

  init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: ["kind", "decay", "overwriteEvery"])
    let (kind, decay): (String, Double?) = try (object.value("kind"), object.optional("decay"))
    let overwriteEvery: Int? = try object.optional("overwriteEvery")
    let made: WeightAveraging.Kind
    switch (kind, decay) {
    case ("exponential", let decay?): made = .exponential(decay: decay)
    case ("mean", nil): made = .mean
    case ("exponential", nil): throw object.refusal("an exponential average without 'decay'")
    case ("mean", _?): throw object.refusal("a mean has no 'decay'")
    default: throw object.refusal("kind is '\(kind)'; expected 'exponential' or 'mean'")
    }
    averaging = try object.checked { () throws(MomentumError) in
      try WeightAveraging(made, overwriteEvery: overwriteEvery)
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    switch averaging.kind {
    case .exponential(let decay):
      try container.encode("exponential", forKey: NameKey("kind"))
      try container.encode(decay, forKey: NameKey("decay"))
    case .mean: try container.encode("mean", forKey: NameKey("kind"))
    }
    try container.encodeIfPresent(averaging.overwriteEvery, forKey: NameKey("overwriteEvery"))
  }
}
