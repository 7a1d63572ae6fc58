// How an optimizer's configuration writes its parts down where they have a form of their own, short and strict.

/// How a configuration writes clips down.
struct ClippingForm: Codable {
  let clipping: GradientClipping

  init(clipping: GradientClipping) { self.clipping = clipping }

  init(from decoder: any Decoder) throws {
    let object = try StrictObject(
      decoder, keys: ["value", "norm", "normUnits", "blockRMS", "globalNorm", "targetNorm", "normType", "algorithm"])
    let value = try object.optional("value", as: ValueForm.self)?.range
    let norm = try object.optional("norm", as: LimitForm.self)?.limit
    let normUnits = try object.optional("normUnits", as: UnitsForm.self)?.units
    let blockRMS = try object.optional("blockRMS", as: LimitForm.self)?.limit
    let globalNorm = try object.optional("globalNorm", as: LimitForm.self)?.limit
    let targetNorm: Double? = try object.optional("targetNorm")
    let order = try object.optional("normType", as: LimitForm.self)?.limit ?? 2
    let algorithm: NormAlgorithm = try object.optional("algorithm") ?? .blas
    clipping = try object.checked { () throws(MomentumError) in
      try GradientClipping(
        value: value, norm: norm, normUnits: normUnits, blockRMS: blockRMS, globalNorm: globalNorm,
        targetNorm: targetNorm, normType: NormType(order: order), algorithm: algorithm)
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encodeIfPresent(clipping.value.map { ValueForm(range: $0) }, forKey: NameKey("value"))
    try container.encodeIfPresent(clipping.norm.map { LimitForm(limit: $0) }, forKey: NameKey("norm"))
    try container.encodeIfPresent(clipping.normUnits.map { UnitsForm(units: $0) }, forKey: NameKey("normUnits"))
    try container.encodeIfPresent(clipping.blockRMS.map { LimitForm(limit: $0) }, forKey: NameKey("blockRMS"))
    try container.encodeIfPresent(clipping.globalNorm.map { LimitForm(limit: $0) }, forKey: NameKey("globalNorm"))
    try container.encodeIfPresent(clipping.targetNorm, forKey: NameKey("targetNorm"))
    if clipping.normType != .l2 { try container.encode(clipping.normType, forKey: NameKey("normType")) }
    if clipping.algorithm != .blas { try container.encode(clipping.algorithm, forKey: NameKey("algorithm")) }
  }
}

/// A number, `"inf"` or `"-inf"`.
struct LimitForm: Codable {
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
struct ValueForm: Codable {
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
struct AveragingForm: Codable {
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

/// How a configuration writes units down: `"tensor"`, `"firstAxis"`, `"optax"`, or a list of axes.
struct UnitsForm: Codable {
  private static let names: [(name: String, units: TensorUnits)] = [
    ("tensor", .tensor), ("firstAxis", .firstAxis), ("optax", .optax),
  ]
  let units: TensorUnits

  init(units: TensorUnits) { self.units = units }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let name = try? container.decode(String.self) {
      guard let known = Self.names.first(where: { $0.name == name }) else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "units are '\(name)'; expected tensor, firstAxis, optax or a list of axes")
      }
      units = known.units
    } else {
      units = .axes(try container.decode([Int].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if case .axes(let axes) = units {
      try container.encode(axes)
    } else {
      try container.encode(Self.names.first { $0.units == units }!.name)
    }
  }
}
