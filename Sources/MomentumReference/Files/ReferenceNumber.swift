/// A floating-point number of the files: a hexadecimal literal, `nan`, `inf` or `-inf`, read without rounding.
public struct ReferenceNumber: Decodable, Hashable, Sendable {
  public var double: Double

  public init(_ double: Double) { self.double = double }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = Double(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no floating-point number")
    }
    double = value
  }
}
