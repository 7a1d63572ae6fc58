// As synthesized, except that `adaptiveLimit` keeps the key that it had in version 0.1 and that a second moment may be
// missing, so that states of both versions can be read; and that vectors may hold what JSON has no numbers for.
extension OptimizerState {
  private enum CodingKeys: String, CodingKey {
    case layout, stepCount, lastStepClipped, velocities, direction, secondMoment, averages, average, lossScale
    case adaptiveLimit = "adaptiveClipping"
  }

  /// Decodes a state. A vector that holds NaN or infinities is decoded as it was; restoring it is refused
  /// (``MomentumError/nonFiniteState(what:tensor:index:value:)``).
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    layout = try container.decodeIfPresent(ParameterLayout.self, forKey: .layout)
    stepCount = try container.decode(Int.self, forKey: .stepCount)
    lastStepClipped = try container.decode(Bool.self, forKey: .lastStepClipped)
    velocities = try container.decode([VelocityState].self, forKey: .velocities)
    direction = try container.decode(StateElements<Scalar>.self, forKey: .direction).elements
    secondMoment = try container.decodeIfPresent(StateElements<Scalar>.self, forKey: .secondMoment)?.elements ?? []
    averages = try container.decode([AverageState].self, forKey: .averages)
    average = try container.decode(StateElements<Scalar>.self, forKey: .average).elements
    lossScale = try container.decode(LossScale.self, forKey: .lossScale)
    adaptiveLimit = try container.decodeIfPresent(AdaptiveLimit.self, forKey: .adaptiveLimit)
  }

  /// Encodes the state, also one that holds NaN or infinities: as the texts `nan`, `inf` and `-inf`, because an encoder
  /// of JSON throws for such numbers.
  ///
  /// JSON takes about 13 bytes for an element of `Float`. `StateFile` of the product `MomentumFiles` takes 4, and writes
  /// from the optimizer's own memory.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(layout, forKey: .layout)
    try container.encode(stepCount, forKey: .stepCount)
    try container.encode(lastStepClipped, forKey: .lastStepClipped)
    try container.encode(velocities, forKey: .velocities)
    try container.encode(StateElements(elements: direction), forKey: .direction)
    if !secondMoment.isEmpty { try container.encode(StateElements(elements: secondMoment), forKey: .secondMoment) }
    try container.encode(averages, forKey: .averages)
    try container.encode(StateElements(elements: average), forKey: .average)
    try container.encode(lossScale, forKey: .lossScale)
    try container.encodeIfPresent(adaptiveLimit, forKey: .adaptiveLimit)
  }
}

/// The elements of a vector: numbers, and texts for those that are not finite.
private struct StateElements<Scalar: BLASScalar>: Codable {
  let elements: [Scalar]

  init(elements: [Scalar]) { self.elements = elements }

  init(from decoder: any Decoder) throws {
    do {
      elements = try [Scalar](from: decoder)
    } catch DecodingError.typeMismatch {
      elements = try [Element](from: decoder).map(\.value)
    }
  }

  func encode(to encoder: any Encoder) throws {
    if elements.allSatisfy(\.isFinite) {
      try elements.encode(to: encoder)
    } else {
      try elements.map(Element.init).encode(to: encoder)
    }
  }

  private struct Element: Codable {
    let value: Scalar

    init(_ value: Scalar) { self.value = value }

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let value = try? container.decode(Scalar.self) {
        self.value = value
        return
      }
      switch try container.decode(String.self) {
      case "nan": value = .nan
      case "inf": value = .infinity
      case "-inf": value = -.infinity
      case let text:
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "element is '\(text)'; expected a number, nan, inf or -inf")
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      if value.isFinite {
        try container.encode(value)
      } else {
        try container.encode(value.isNaN ? "nan" : value < 0 ? "-inf" : "inf")
      }
    }
  }
}
