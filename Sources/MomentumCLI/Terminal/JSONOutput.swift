import Foundation

/// The output of every command with `--json`: exactly one object, on standard output. Numbers that are not finite,
/// which JSON does not know, become the strings "nan", "inf" and "-inf".
enum JSONOutput {
  static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  static func print(_ value: some Encodable) throws {
    try StandardOutput.write(try text(value) + "\n")
  }
}
