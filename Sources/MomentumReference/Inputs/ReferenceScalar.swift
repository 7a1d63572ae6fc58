public import Momentum

/// The properties of `Float` and `Double` that the input generator needs.
public protocol ReferenceScalar: BLASScalar {
  /// The name in the files.
  static var referenceName: String { get }
  /// The number of significand bits, including the leading one.
  static var precision: Int { get }
  static var byteCount: Int { get }
  /// The bit pattern, in the low bits.
  var rawBits: UInt64 { get }
  init(rawBits: UInt64)
}

extension Float: ReferenceScalar {
  public static var referenceName: String { "float" }
  public static var precision: Int { 24 }
  public static var byteCount: Int { 4 }
  public var rawBits: UInt64 { UInt64(bitPattern) }
  public init(rawBits: UInt64) { self.init(bitPattern: UInt32(truncatingIfNeeded: rawBits)) }
}

extension Double: ReferenceScalar {
  public static var referenceName: String { "double" }
  public static var precision: Int { 53 }
  public static var byteCount: Int { 8 }
  public var rawBits: UInt64 { bitPattern }
  public init(rawBits: UInt64) { self.init(bitPattern: rawBits) }
}
