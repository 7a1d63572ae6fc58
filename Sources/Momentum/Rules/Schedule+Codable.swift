extension Schedule: Codable {
  private static let kinds = [
    "constant", "step", "exponential", "inverseTime", "cosine", "linear", "polynomial", "oneCycle", "warmup",
    "piecewise", "interpolated", "joined",
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
      let object = try outer.object(kind, keys: ["initial", "rate", "every", "staircase", "final"])
      let (initial, rate): (Double, Double) = try (object.value("initial"), object.value("rate"))
      let every: Int = try object.optional("every") ?? 1
      let staircase: Bool = try object.optional("staircase") ?? false
      let final: Double? = try object.optional("final")
      return try object.checked { () throws(MomentumError) in
        try .exponential(initial: initial, rate: rate, every: every, staircase: staircase, final: final)
      }
    case "cosine":
      let keys = ["initial", "final", "steps", "power", "restartFactor", "restartScale"]
      let object = try outer.object(kind, keys: keys)
      let (initial, final): (Double, Double) = try (object.value("initial"), object.optional("final") ?? 0)
      let (steps, power): (Int, Double) = try (object.value("steps"), object.optional("power") ?? 1)
      let factor: Int? = try object.optional("restartFactor")
      let scale: Double = try object.optional("restartScale") ?? 1
      return try object.checked { () throws(MomentumError) in
        try .cosine(
          initial: initial, final: final, steps: steps, power: power, restartFactor: factor, restartScale: scale)
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
      let object = try outer.object(kind, keys: ["from", "to", "steps", "power", "cycles"])
      let (from, to): (Double, Double) = try (object.value("from"), object.value("to"))
      let (steps, power): (Int, Double) = try (object.value("steps"), object.value("power"))
      let cycles: Bool = try object.optional("cycles") ?? false
      return try object.checked { () throws(MomentumError) in
        try .polynomial(from: from, to: to, steps: steps, power: power, cycles: cycles)
      }
    case "oneCycle":
      let keys = ["peak", "initial", "final", "steps", "riseShare", "curve", "threePhases"]
      let object = try outer.object(kind, keys: keys)
      let peak: Double = try object.value("peak")
      let (initial, final): (Double?, Double?) = try (object.optional("initial"), object.optional("final"))
      let (steps, riseShare): (Int, Double) = try (object.value("steps"), object.optional("riseShare") ?? 0.3)
      let curve: Curve = try object.optional("curve") ?? .cosine
      let threePhases: Bool = try object.optional("threePhases") ?? false
      return try object.checked { () throws(MomentumError) in
        try .oneCycle(
          peak: peak, initial: initial, final: final, steps: steps, riseShare: riseShare, curve: curve,
          threePhases: threePhases)
      }
    case "warmup":
      let object = try outer.object(kind, keys: ["from", "steps", "then"])
      let (from, steps): (Double, Int) = try (object.optional("from") ?? 0, object.value("steps"))
      let next: Schedule = try object.value("then")
      return try object.checked { () throws(MomentumError) in try .warmup(from: from, steps: steps, then: next) }
    case "interpolated":
      let object = try outer.object(kind, keys: ["boundaries", "values", "curve"])
      let (boundaries, values): ([Int], [Double]) = try (object.value("boundaries"), object.value("values"))
      let curve: Curve = try object.optional("curve") ?? .linear
      return try object.checked { () throws(MomentumError) in
        try .interpolated(boundaries: boundaries, values: values, curve: curve)
      }
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
    case .exponential(let initial, let rate, let every, let staircase, let final):
      var inner = nested("exponential")
      try inner.encode(initial, forKey: NameKey("initial"))
      try inner.encode(rate, forKey: NameKey("rate"))
      try inner.encode(every, forKey: NameKey("every"))
      try inner.encode(staircase, forKey: NameKey("staircase"))
      try inner.encodeIfPresent(final, forKey: NameKey("final"))
    case .cosine(let initial, let final, let steps, let power, let restartFactor, let restartScale):
      var inner = nested("cosine")
      try inner.encode(initial, forKey: NameKey("initial"))
      try inner.encode(final, forKey: NameKey("final"))
      try inner.encode(steps, forKey: NameKey("steps"))
      if power != 1 { try inner.encode(power, forKey: NameKey("power")) }
      try inner.encodeIfPresent(restartFactor, forKey: NameKey("restartFactor"))
      if restartScale != 1 { try inner.encode(restartScale, forKey: NameKey("restartScale")) }
    case .inverseTime(let initial, let rate, let every, let staircase):
      var inner = nested("inverseTime")
      try inner.encode(initial, forKey: NameKey("initial"))
      try inner.encode(rate, forKey: NameKey("rate"))
      try inner.encode(every, forKey: NameKey("every"))
      try inner.encode(staircase, forKey: NameKey("staircase"))
    case .polynomial(let from, let to, let steps, let power, let cycles):
      let isLinear = power == 1 && !cycles
      var inner = nested(isLinear ? "linear" : "polynomial")
      try inner.encode(from, forKey: NameKey("from"))
      try inner.encode(to, forKey: NameKey("to"))
      try inner.encode(steps, forKey: NameKey("steps"))
      if !isLinear { try inner.encode(power, forKey: NameKey("power")) }
      if cycles { try inner.encode(cycles, forKey: NameKey("cycles")) }
    case .oneCycle(let cycle):
      var inner = nested("oneCycle")
      try inner.encode(cycle.peak, forKey: NameKey("peak"))
      try inner.encode(cycle.initial, forKey: NameKey("initial"))
      try inner.encode(cycle.final, forKey: NameKey("final"))
      try inner.encode(cycle.steps, forKey: NameKey("steps"))
      try inner.encode(cycle.riseShare, forKey: NameKey("riseShare"))
      try inner.encode(cycle.curve, forKey: NameKey("curve"))
      try inner.encode(cycle.threePhases, forKey: NameKey("threePhases"))
    case .warmup(let from, let steps, let next):
      var inner = nested("warmup")
      try inner.encode(from, forKey: NameKey("from"))
      try inner.encode(steps, forKey: NameKey("steps"))
      try inner.encode(next, forKey: NameKey("then"))
    case .piecewise(let boundaries, let values):
      var inner = nested("piecewise")
      try inner.encode(boundaries, forKey: NameKey("boundaries"))
      try inner.encode(values, forKey: NameKey("values"))
    case .interpolated(let boundaries, let values, let curve):
      var inner = nested("interpolated")
      try inner.encode(boundaries, forKey: NameKey("boundaries"))
      try inner.encode(values, forKey: NameKey("values"))
      try inner.encode(curve, forKey: NameKey("curve"))
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
