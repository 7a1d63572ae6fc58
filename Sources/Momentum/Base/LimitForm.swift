/// How a configuration writes a limit down: a number, `"inf"` or `"-inf"`.
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
