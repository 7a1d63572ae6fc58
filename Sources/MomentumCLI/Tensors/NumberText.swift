import Foundation

/// Numbers as people write them, on the command line and in files of settings.
enum NumberText {
  /// Why a number was refused.
  struct Refusal: Error, Hashable, CustomStringConvertible, LocalizedError {
    var description: String
    var errorDescription: String? { description }
  }

  /// The value of a number, for the `transform` of an option.
  ///
  /// - Throws: ``Refusal`` if it is none, or one that a `Double` does not hold: the parser would make 0 of `1e-400` and
  ///   infinity of `1e400` without a word. Infinity has to be spelled `inf` or `infinity`.
  static func double(_ text: String) throws(Refusal) -> Double {
    guard let value = Double(text) else { throw Refusal(description: "expected a number") }
    if value == 0, hasDigitsOtherThanZero(text) {
      throw Refusal(
        description: "\(text) is too small for a Double; the smallest above 0 is \(Double.leastNonzeroMagnitude)")
    }
    if value.isInfinite, !text.lowercased().contains("inf") {
      throw Refusal(
        description: "\(text) is too large for a Double; the largest is \(Double.greatestFiniteMagnitude)")
    }
    return value
  }

  /// Numbers separated by commas, for the `transform` of an option.
  static func doubles(_ text: String) throws(Refusal) -> [Double] {
    var values: [Double] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      values.append(try double(String(part)))
    }
    return values
  }

  /// Whether a number is written as another one than 0, whatever its exponent.
  private static func hasDigitsOtherThanZero(_ text: String) -> Bool {
    let text = text.lowercased()
    let isHexadecimal = text.contains("0x")
    let digits = text.prefix { $0 != (isHexadecimal ? "p" : "e") }
    return digits.contains { $0 != "0" && $0.isHexDigit }
  }
}
