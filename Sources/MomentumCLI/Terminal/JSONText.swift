import Foundation

/// A JSON value that keeps the order of its members and knows what JSON does not: numbers that are not finite become the
/// strings "nan", "inf" and "-inf".
indirect enum JSONText: CustomStringConvertible {
  case object([(name: String, value: JSONText)])
  case array([JSONText])
  case string(String)
  case number(Double)
  case integer(Int)
  case bool(Bool)
  case null

  /// A number, or null where there is none.
  static func optional(_ value: Double?) -> JSONText { value.map { .number($0) } ?? .null }

  /// One line of JSON.
  var description: String {
    switch self {
    case .object(let members):
      "{" + members.map { Self.quoted($0.name) + ":" + $0.value.description }.joined(separator: ",") + "}"
    case .array(let values): "[" + values.map(\.description).joined(separator: ",") + "]"
    case .string(let text): Self.quoted(text)
    case .number(let x): Self.text(x)
    case .integer(let n): String(n)
    case .bool(let flag): String(flag)
    case .null: "null"
    }
  }

  private static func text(_ x: Double) -> String {
    if x.isNaN { return "\"nan\"" }
    if x.isInfinite { return x < 0 ? "\"-inf\"" : "\"inf\"" }
    // Swift's shortest form that reads back as the same Double is valid JSON.
    return x.description
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20: result += "\\u" + String(format: "%04x", scalar.value)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
