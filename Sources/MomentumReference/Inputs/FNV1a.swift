/// The FNV-1a digest with 64 bits: it detects accidents, not forgery.
///
/// Each byte maps the states one to one, so two inputs that differ in a single byte never have the same digest.
public struct FNV1a: Hashable, Sendable {
  public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  public init() {}

  /// The digest of some bytes.
  public init(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { add(byte) }
  }

  /// The digest of the little-endian bytes of some elements.
  public init<Scalar: ReferenceScalar>(elements: [Scalar]) {
    for element in elements {
      var bits = element.rawBits
      for _ in 0..<Scalar.byteCount {
        add(UInt8(truncatingIfNeeded: bits))
        bits >>= 8
      }
    }
  }

  /// Takes in one more byte.
  public mutating func add(_ byte: UInt8) {
    value = (value ^ UInt64(byte)) &* 0x100_0000_01B3
  }

  /// The digest as the files write it: `0x` and 16 digits.
  public var text: String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: 16 - digits.count) + digits
  }
}
