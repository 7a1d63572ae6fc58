/// Doubles as text that loses nothing, for the metadata of a file.
///
/// The text is that of C's `%a` and Python's `float.fromhex`: `0x1.8p+1` for 3. A NaN keeps its sign and payload as
/// `nan:` and its 64 bits in hex.
public enum HexDouble {
  /// The exact text of a value.
  public static func text(of value: Double) -> String {
    if value.isNaN { return nanPrefix + String(value.bitPattern, radix: 16) }
    let sign = value.sign == .minus ? "-" : ""
    if value.isInfinite { return sign + "inf" }
    if value == 0 { return sign + "0x0p+0" }

    // The 52 bits behind the point are 13 hex digits; zeros at their end say nothing.
    let digits = String(value.significandBitPattern, radix: 16)
    var fraction = String(repeating: "0", count: 13 - digits.count) + digits
    while fraction.last == "0" { fraction.removeLast() }
    let lead = value.isSubnormal ? "0" : "1"
    let exponent = value.isSubnormal ? Double.leastNormalMagnitude.exponent : value.exponent
    return "\(sign)0x\(lead)\(fraction.isEmpty ? "" : ".")\(fraction)p\(exponent < 0 ? "" : "+")\(exponent)"
  }

  /// The value of a text made by ``text(of:)``, or of any number as Swift writes it, so that metadata may be edited by
  /// hand. Nil when the text is no number.
  public static func value(of text: String) -> Double? {
    guard text.hasPrefix(nanPrefix) else { return Double(text) }
    guard let bits = UInt64(text.dropFirst(nanPrefix.count), radix: 16) else { return nil }
    let value = Double(bitPattern: bits)
    return value.isNaN ? value : nil
  }

  private static let nanPrefix = "nan:"
}
