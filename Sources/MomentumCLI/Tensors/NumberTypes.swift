import MomentumFiles

// What the commands do with tensors of a type.
extension SafetensorsDtype {
  /// Whether elements are of half precision.
  var isHalf: Bool { self == .bf16 || self == .f16 }

  /// Whether the engine computes with elements of this type.
  var isNumber: Bool {
    #if os(macOS) && arch(x86_64)
      self == .f32 || self == .f64 || self == .bf16
    #else
      self == .f32 || self == .f64 || isHalf
    #endif
  }

  /// Whether elements are integers or truth values, which nothing is computed with.
  private var isInteger: Bool {
    switch self {
    case .bool, .u8, .i8, .i16, .u16, .i32, .u32, .i64, .u64: true
    default: false
    }
  }

  /// What a tensor had better be instead of this type; `nil` for numbers, and for what is passed by without harm.
  var expectedNumber: String? {
    switch self {
    case .f4, .f6E2M3, .f6E3M2, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ:
      "F32, F64, BF16 or F16: its elements are factors of scales in other tensors; --skip passes it by"
    case .c64: "F32, F64, BF16 or F16; \(Self.adviceForComplex)"
    default: isNumber || isInteger ? nil : "F32, F64 or BF16 on this system; --skip passes it by"
    }
  }

  /// The same where only F32 and F64 will do, for what a feature does.
  func expectedWhole(for feature: String) -> String? {
    guard self != .f32, self != .f64 else { return nil }
    return "F32 or F64, which \(feature)" + (self == .c64 ? "; \(Self.adviceForComplex)" : "")
  }

  private static let adviceForComplex =
    "as F32 with one more axis, of the two parts, a complex tensor has the same 2-norm and the same steps"
}
