/// The element types of the safetensors format, in the order of the reference implementation.
///
/// Only ``f32``, ``f64``, ``bf16`` and ``f16`` can be read as numbers here (see ``SafetensorsScalar``); the others are known
/// so that the sizes of every file can be checked. The order is that of growing alignment and decides where a tensor is written.
public enum SafetensorsDtype: String, CaseIterable, Hashable, Sendable {
  /// A truth value in a byte.
  case bool = "BOOL"
  /// Floating point, 4 bits.
  case f4 = "F4"
  /// Floating point, 6 bits: 2 of exponent, 3 of significand.
  case f6E2M3 = "F6_E2M3"
  /// Floating point, 6 bits: 3 of exponent, 2 of significand.
  case f6E3M2 = "F6_E3M2"
  /// Unsigned integer, 8 bits.
  case u8 = "U8"
  /// Signed integer, 8 bits.
  case i8 = "I8"
  /// Floating point, 8 bits: 5 of exponent, 2 of significand.
  case f8E5M2 = "F8_E5M2"
  /// Floating point, 8 bits: 4 of exponent, 3 of significand.
  case f8E4M3 = "F8_E4M3"
  /// A power of two, 8 bits of exponent.
  case f8E8M0 = "F8_E8M0"
  /// Floating point, 8 bits: 4 of exponent, 3 of significand; finite, with one NaN and one zero.
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  /// Floating point, 8 bits: 5 of exponent, 2 of significand; finite, with one NaN and one zero.
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  /// Signed integer, 16 bits.
  case i16 = "I16"
  /// Unsigned integer, 16 bits.
  case u16 = "U16"
  /// IEEE 754 binary16.
  case f16 = "F16"
  /// The upper half of an IEEE 754 binary32.
  case bf16 = "BF16"
  /// Signed integer, 32 bits.
  case i32 = "I32"
  /// Unsigned integer, 32 bits.
  case u32 = "U32"
  /// IEEE 754 binary32, `Float`.
  case f32 = "F32"
  /// Complex number of two IEEE 754 binary32.
  case c64 = "C64"
  /// IEEE 754 binary64, `Double`.
  case f64 = "F64"
  /// Signed integer, 64 bits.
  case i64 = "I64"
  /// Unsigned integer, 64 bits.
  case u64 = "U64"

  /// Bits an element takes in a file. Elements of fewer than 8 bits are packed.
  public var bitWidth: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// The place of this type in the order of the format; tensors are written from the highest to the lowest.
  var rank: Int {
    Self.ranks[self]!
  }

  private static let ranks = Dictionary(uniqueKeysWithValues: zip(allCases, 0...))
}

/// How many elements and bytes a tensor has, or why that cannot be said.
enum SafetensorsSize: Equatable {
  case exact(count: Int, bytes: Int)
  /// The number of elements, or of bits, does not fit in `Int`, or an extent is negative.
  case overflow
  /// The last byte is only partly used, which the format does not allow.
  case partialByte

  /// A tensor with an extent of zero is empty, however great the others are and wherever it stands. (The reference
  /// multiplies in the order of the shape and so depends on that.)
  init(dtype: SafetensorsDtype, shape: [Int]) {
    guard shape.allSatisfy({ $0 >= 0 }) else {
      self = .overflow
      return
    }
    var count = shape.contains(0) ? 0 : 1
    for extent in shape where count > 0 {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      if overflow {
        self = .overflow
        return
      }
      count = product
    }
    let (bits, overflow) = count.multipliedReportingOverflow(by: dtype.bitWidth)
    if overflow {
      self = .overflow
    } else if bits % 8 != 0 {
      self = .partialByte
    } else {
      self = .exact(count: count, bytes: bits / 8)
    }
  }
}
