/// The elements of a tensor in the caller's memory, of any element type: for lists of tensors whose types differ.
///
/// The memory is borrowed. It must stay valid, and keep its elements, as long as the buffer is used.
public struct TensorBuffer: @unchecked Sendable {  // an address; the caller guards the access
  let base: UnsafeRawPointer?
  /// The number of elements.
  public let count: Int
  /// The type of the elements.
  public let elementType: ElementType

  /// The elements of a buffer.
  @inlinable
  public init<Scalar: StoredScalar>(_ elements: UnsafeBufferPointer<Scalar>) {
    self.init(base: UnsafeRawPointer(elements.baseAddress), count: elements.count, elementType: Scalar.elementType)
  }

  /// All elements as bytes.
  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: base, count: count * elementType.byteCount)
  }

  /// Some of the elements.
  subscript(range: Range<Int>) -> TensorBuffer {
    TensorBuffer(
      base: base.map { $0 + range.lowerBound * elementType.byteCount }, count: range.count, elementType: elementType)
  }

  /// The first element that is NaN or infinite, and its index; `nil` if all are finite.
  package func firstNonFinite() -> (index: Int, value: Double)? {
    guard let base else { return nil }
    func first<Scalar: BLASScalar>(_: Scalar.Type) -> (index: Int, value: Double)? {
      let elements = UnsafeBufferPointer(start: base.assumingMemoryBound(to: Scalar.self), count: count)
      return elements.firstIndex { !$0.isFinite }.map { ($0, Double(elements[$0])) }
    }
    switch elementType {
    case .float32: return first(Float.self)
    case .float64: return first(Double.self)
    case .bfloat16, .float16:
      let elements = HalfVector(base: base, type: elementType)
      return (0..<count).first { !elements[$0].isFinite }.map { ($0, Double(elements[$0])) }
    }
  }

  @usableFromInline
  init(base: UnsafeRawPointer?, count: Int, elementType: ElementType) {
    (self.base, self.count, self.elementType) = (base, count, elementType)
  }
}
