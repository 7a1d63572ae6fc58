// What makes BFloat16 a number among others: comparing, arithmetic, literals, text.

// IEEE 754: the two zeros are equal, and NaN equals nothing.
extension BFloat16: Hashable, Comparable {
  @inlinable public static func == (x: BFloat16, y: BFloat16) -> Bool { Float(x) == Float(y) }
  @inlinable public static func < (x: BFloat16, y: BFloat16) -> Bool { Float(x) < Float(y) }
  @inlinable public static func <= (x: BFloat16, y: BFloat16) -> Bool { Float(x) <= Float(y) }
  @inlinable public static func > (x: BFloat16, y: BFloat16) -> Bool { Float(x) > Float(y) }
  @inlinable public static func >= (x: BFloat16, y: BFloat16) -> Bool { Float(x) >= Float(y) }
  public func hash(into hasher: inout Hasher) { hasher.combine(Float(self)) }
}

// The sum, difference, product and quotient of two numbers of 8 digits, rounded to 24 and then to 8, are those that are
// rounded once.
extension BFloat16: SignedNumeric {
  @inlinable public init?<Source: BinaryInteger>(exactly source: Source) {
    guard let value = Float(exactly: source), Float(BFloat16(value)) == value else { return nil }
    self.init(value)
  }

  @inlinable public var magnitude: BFloat16 { BFloat16(bitPattern: bitPattern & 0x7fff) }
  @inlinable public mutating func negate() { bitPattern ^= 0x8000 }
  @inlinable public static prefix func - (x: BFloat16) -> BFloat16 { BFloat16(bitPattern: x.bitPattern ^ 0x8000) }
  @inlinable public static func + (x: BFloat16, y: BFloat16) -> BFloat16 { BFloat16(Float(x) + Float(y)) }
  @inlinable public static func - (x: BFloat16, y: BFloat16) -> BFloat16 { BFloat16(Float(x) - Float(y)) }
  @inlinable public static func * (x: BFloat16, y: BFloat16) -> BFloat16 { BFloat16(Float(x) * Float(y)) }
  @inlinable public static func *= (x: inout BFloat16, y: BFloat16) { x = x * y }

  /// The quotient, rounded once.
  @inlinable public static func / (x: BFloat16, y: BFloat16) -> BFloat16 { BFloat16(Float(x) / Float(y)) }
  /// Replaces `x` by the quotient, rounded once.
  @inlinable public static func /= (x: inout BFloat16, y: BFloat16) { x = x / y }
}

extension BFloat16: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  @inlinable public init(floatLiteral value: Double) { self.init(value) }
  @inlinable public init(integerLiteral value: Int) { self.init(value) }
}

extension BFloat16: LosslessStringConvertible, CustomStringConvertible, CustomDebugStringConvertible {
  /// The number in a text that `Double` can read.
  public init?<Text: StringProtocol>(_ text: Text) {
    guard let value = Double(text) else { return nil }
    self.init(value)
  }

  /// The number in a text that `Double` can read.
  public init?(_ text: String) { self.init(text[...]) }

  /// The shortest decimal number that rounds to this one.
  public var description: String {
    let value = Double(self)
    guard isFinite, value != 0 else { return value.description }
    // Four digits tell all numbers of this type apart.
    for digits in 1...4 {
      let text = Self.text(of: value, digits: digits)
      if let rounded = Double(text), BFloat16(rounded).bitPattern == bitPattern { return rounded.description }
    }
    return value.description
  }

  public var debugDescription: String { description }

  /// The number, neither 0 nor infinite nor NaN, rounded to some decimal digits.
  private static func text(of value: Double, digits: Int) -> String {
    // Of the shortest text of a Double, the digits and the exponent: 0.000123e-4, 12.5, 3e+20.
    let parts = value.magnitude.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let fraction = mantissa.count > 1 ? mantissa[1] : ""
    let all = (mantissa[0] + fraction).drop { $0 == "0" }
    var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) - fraction.count
    var leading = all
    if all.count > digits {
      leading = all.prefix(digits)
      exponent += all.count - digits
      let rest = all.dropFirst(digits)
      if rest.first.map({ $0 >= "5" }) ?? false { leading = "\((Int(leading) ?? 0) + 1)" }
    }
    return (value < 0 ? "-" : "") + leading + "e\(exponent)"
  }
}

/// As a number.
extension BFloat16: Codable {
  public init(from decoder: any Decoder) throws { self.init(try decoder.singleValueContainer().decode(Double.self)) }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(Float(self))
  }
}
