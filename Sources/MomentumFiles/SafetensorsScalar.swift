#if _endian(big)
  #error("safetensors files are little-endian and are mapped here as they are")
#endif

/// An element type whose values in a file are its values in memory: `Float` (`F32`), `Double` (`F64`), `BFloat16` (`BF16`)
/// and, where Swift has it, `Float16` (`F16`).
public protocol SafetensorsScalar: BitwiseCopyable, Sendable {
  /// The type's name in the format.
  static var dtype: SafetensorsDtype { get }
}

extension Float: SafetensorsScalar {
  public static var dtype: SafetensorsDtype { .f32 }
}

extension Double: SafetensorsScalar {
  public static var dtype: SafetensorsDtype { .f64 }
}
