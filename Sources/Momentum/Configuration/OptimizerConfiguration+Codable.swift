extension OptimizerConfiguration: Codable {
  private static let keys = [
    "convention", "rule", "groups", "clipping", "adaptiveLimit", "lossScale", "averaging", "nonFinitePolicy", "mode",
    "velocityType",
  ]
  /// The name of `adaptiveLimit` in version 0.1.
  private static let formerKey = "adaptiveClipping"

  /// - Throws: `DecodingError`, with the path of what is wrong.
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: Self.keys, formerKeys: [Self.formerKey])
    convention = try object.optional("convention") ?? .native
    rule = try object.value("rule")
    groups = try object.optional("groups") ?? []
    clipping = try object.optional("clipping") ?? .none
    if Set(object.keys).isSuperset(of: ["adaptiveLimit", Self.formerKey]) {
      throw object.refusal("'\(Self.formerKey)' is the former name of 'adaptiveLimit'; expected one of them")
    }
    adaptiveLimit = try object.optional("adaptiveLimit") ?? object.optional(Self.formerKey)
    lossScale = try object.optional("lossScale") ?? .none
    averaging = try object.optional("averaging")
    nonFinitePolicy = try object.optional("nonFinitePolicy")
    mode = try object.optional("mode") ?? .twoPass
    velocityType = try object.optional("velocityType")

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
    if clipping != .none { try container.encode(clipping, forKey: NameKey("clipping")) }
    try container.encodeIfPresent(adaptiveLimit, forKey: NameKey("adaptiveLimit"))
    if lossScale != .none { try container.encode(lossScale, forKey: NameKey("lossScale")) }
    try container.encodeIfPresent(averaging, forKey: NameKey("averaging"))
    try container.encodeIfPresent(nonFinitePolicy, forKey: NameKey("nonFinitePolicy"))
    if mode != .twoPass { try container.encode(mode, forKey: NameKey("mode")) }
    try container.encodeIfPresent(velocityType, forKey: NameKey("velocityType"))
  }
}

extension OptimizerConfiguration.Group: Codable {
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(
      decoder, keys: ["name", "patterns", "rule", "clipping", "learningRateFactor", "exemptFromWhole"])
    name = try object.value("name")
    patterns = try object.value("patterns")
    rule = try object.optional("rule")
    clipping = try object.optional("clipping")
    learningRateFactor = try object.optional("learningRateFactor") ?? 1
    exemptFromWhole = try object.optional("exemptFromWhole") ?? false
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(name, forKey: NameKey("name"))
    try container.encode(patterns, forKey: NameKey("patterns"))
    try container.encodeIfPresent(rule, forKey: NameKey("rule"))
    try container.encodeIfPresent(clipping, forKey: NameKey("clipping"))
    if learningRateFactor != 1 { try container.encode(learningRateFactor, forKey: NameKey("learningRateFactor")) }
    if exemptFromWhole { try container.encode(exemptFromWhole, forKey: NameKey("exemptFromWhole")) }
  }
}
