extension Schedule: Codable {
  private static let kinds = [
    "constant", "step", "exponential", "inverseTime", "cosine", "linear", "polynomial", "warmup", "piecewise", "joined",
  ]

  /// Decodes a number, or an object whose only key is the kind.
  ///
  /// - Throws: `DecodingError`, with the path of what is wrong: unknown keys by name, missing ones, numbers out of
  ///   range.
  public init(from decoder: any Decoder) throws {
    if let container = try? decoder.singleValueContainer(), let value = try? container.decode(Double.self) {
      do {
        self = try .constant(value)
      } catch {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: error.description, underlyingError: error))
      }
      return
    }
    let outer = try StrictObject(decoder, keys: Self.kinds)
    guard let kind = outer.keys.first, outer.keys.count == 1 else {
      throw outer.refusal(
        "a schedule of \(outer.keys.count) kinds; expected one of \(Self.kinds.joined(separator: ", "))")
    }
    if kind == "constant" {
      let value: Double = try outer.value(kind)
      self = try outer.checked { () throws(MomentumError) in try .constant(value) }
    } else {
      self = try Self.decode(kind, in: outer)
    }
  }

  /// The schedule inside the one key of its object.
  private static func decode(_ kind: String, in outer: StrictObject) throws -> Schedule {
    switch kind {
    case "step":
      let object = try outer.object(kind, keys: ["initial", "factor", "every"])
      let (initial, factor): (Double, Double) = try (object.value("initial"), object.value("factor"))
      let every: Int = try object.value("every")
      return try object.checked { () throws(MomentumError) in
        try .step(initial: initial, factor: factor, every: every)
      }
    case "exponential":
      let object = try outer.object(kind, keys: ["initial", "rate", "every", "staircase"])
      let (initial, rate): (Double, Double) = try (object.value("initial"), object.value("rate"))
      let every: Int = try object.optional("every") ?? 1
      let staircase: Bool = try object.optional("staircase") ?? false
      return try object.checked { () throws(MomentumError) in
        try .exponential(initial: initial, rate: rate, every: every, staircase: staircase)
      }
    case "cosine":
      let object = try outer.object(kind, keys: ["initial", "final", "steps", "restartFactor"])
      let (initial, final): (Double, Double) = try (object.value("initial"), object.optional("final") ?? 0)
      let (steps, factor): (Int, Int?) = try (object.value("steps"), object.optional("restartFactor"))
      return try object.checked { () throws(MomentumError) in
        try .cosine(initial: initial, final: final, steps: steps, restartFactor: factor)
      }
    case "inverseTime":
      let object = try outer.object(kind, keys: ["initial", "rate", "every", "staircase"])
      let (initial, rate): (Double, Double) = try (object.value("initial"), object.value("rate"))
      let every: Int = try object.optional("every") ?? 1
      let staircase: Bool = try object.optional("staircase") ?? false
      return try object.checked { () throws(MomentumError) in
        try .inverseTime(initial: initial, rate: rate, every: every, staircase: staircase)
      }
    case "linear":
      let object = try outer.object(kind, keys: ["from", "to", "steps"])
      let (from, to): (Double, Double) = try (object.value("from"), object.value("to"))
      let steps: Int = try object.value("steps")
      return try object.checked { () throws(MomentumError) in try .linear(from: from, to: to, steps: steps) }
    case "polynomial":
      let object = try outer.object(kind, keys: ["from", "to", "steps", "power"])
      let (from, to): (Double, Double) = try (object.value("from"), object.value("to"))
      let (steps, power): (Int, Double) = try (object.value("steps"), object.value("power"))
      return try object.checked { () throws(MomentumError) in
        try .polynomial(from: from, to: to, steps: steps, power: power)
      }
    case "warmup":
      let object = try outer.object(kind, keys: ["from", "steps", "then"])
      let (from, steps): (Double, Int) = try (object.optional("from") ?? 0, object.value("steps"))
      let next: Schedule = try object.value("then")
      return try object.checked { () throws(MomentumError) in try .warmup(from: from, steps: steps, then: next) }
    case "joined":
      let object = try outer.object(kind, keys: ["boundaries", "schedules"])
      let (boundaries, parts): ([Int], [Schedule]) = try (object.value("boundaries"), object.value("schedules"))
      return try object.checked { () throws(MomentumError) in try .joined(parts, boundaries: boundaries) }
    default:
      let object = try outer.object(kind, keys: ["boundaries", "values"])
      let (boundaries, values): ([Int], [Double]) = try (object.value("boundaries"), object.value("values"))
      return try object.checked { () throws(MomentumError) in
        try .piecewise(boundaries: boundaries, values: values)
      }
    }
  }

  /// - Throws: `EncodingError` for a custom schedule, which is code.
  public func encode(to encoder: any Encoder) throws {
    if case .constant(let value) = form {
      var container = encoder.singleValueContainer()
      return try container.encode(value)
    }
    var outer = encoder.container(keyedBy: NameKey.self)
    func nested(_ kind: String) -> KeyedEncodingContainer<NameKey> {
      outer.nestedContainer(keyedBy: NameKey.self, forKey: NameKey(kind))
    }
    switch form {
    case .constant: break
    case .step(let initial, let factor, let every):
      var inner = nested("step")
      try inner.encode(initial, forKey: NameKey("initial"))
      try inner.encode(factor, forKey: NameKey("factor"))
      try inner.encode(every, forKey: NameKey("every"))
    case .exponential(let initial, let rate, let every, let staircase):
      var inner = nested("exponential")
      try inner.encode(initial, forKey: NameKey("initial"))
      try inner.encode(rate, forKey: NameKey("rate"))
      try inner.encode(every, forKey: NameKey("every"))
      try inner.encode(staircase, forKey: NameKey("staircase"))
    case .cosine(let initial, let final, let steps, let restartFactor):
      var inner = nested("cosine")
      try inner.encode(initial, forKey: NameKey("initial"))
      try inner.encode(final, forKey: NameKey("final"))
      try inner.encode(steps, forKey: NameKey("steps"))
      try inner.encodeIfPresent(restartFactor, forKey: NameKey("restartFactor"))
    case .inverseTime(let initial, let rate, let every, let staircase):
      var inner = nested("inverseTime")
      try inner.encode(initial, forKey: NameKey("initial"))
      try inner.encode(rate, forKey: NameKey("rate"))
      try inner.encode(every, forKey: NameKey("every"))
      try inner.encode(staircase, forKey: NameKey("staircase"))
    case .polynomial(let from, let to, let steps, let power):
      var inner = nested(power == 1 ? "linear" : "polynomial")
      try inner.encode(from, forKey: NameKey("from"))
      try inner.encode(to, forKey: NameKey("to"))
      try inner.encode(steps, forKey: NameKey("steps"))
      if power != 1 { try inner.encode(power, forKey: NameKey("power")) }
    case .warmup(let from, let steps, let next):
      var inner = nested("warmup")
      try inner.encode(from, forKey: NameKey("from"))
      try inner.encode(steps, forKey: NameKey("steps"))
      try inner.encode(next, forKey: NameKey("then"))
    case .piecewise(let boundaries, let values):
      var inner = nested("piecewise")
      try inner.encode(boundaries, forKey: NameKey("boundaries"))
      try inner.encode(values, forKey: NameKey("values"))
    case .joined(let boundaries, let schedules):
      var inner = nested("joined")
      try inner.encode(boundaries, forKey: NameKey("boundaries"))
      try inner.encode(schedules, forKey: NameKey("schedules"))
    case .custom:
      throw EncodingError.invalidValue(
        self, .init(codingPath: encoder.codingPath, debugDescription: "a custom schedule is code; it cannot be encoded")
      )
    }
  }
}
