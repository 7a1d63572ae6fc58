/// The element types that tensors are stored in.
public enum ElementType: String, Sendable, Hashable, Codable, CaseIterable {
  /// `Float`.
  case float32
  /// `Double`.
  case float64
  /// ``BFloat16``.
  case bfloat16
  /// `Float16`, IEEE 754 binary16.
  case float16

  /// The number of bytes of an element.
  @inlinable public var byteCount: Int {
    switch self {
    case .float64: 8
    case .float32: 4
    case .bfloat16, .float16: 2
    }
  }
}

/// An element type that vectors are stored in: a ``BLASScalar``, which the engine computes with as it is, or a
/// ``HalfScalar``, which is widened tile by tile.
///
/// The protocol is closed.
public protocol StoredScalar: BitwiseCopyable, Sendable {
  /// The type that the engine computes with.
  associatedtype Compute: BLASScalar
  /// The element type as a value.
  static var elementType: ElementType { get }
}

/// An element type of 16 bits: ``BFloat16`` or `Float16`. Tensors are stored in it; all arithmetic is that of `Float`, so
/// each element is widened, which is exact, and what is written is rounded once, to nearest, ties to even.
///
/// `Float16` does not exist in Swift for macOS on Intel processors.
public protocol HalfScalar: StoredScalar where Compute == Float {}

extension Float {
  public typealias Compute = Float
  @inlinable public static var elementType: ElementType { .float32 }
}

extension Double {
  public typealias Compute = Double
  @inlinable public static var elementType: ElementType { .float64 }
}
