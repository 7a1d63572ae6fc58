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

  @usableFromInline
  init(base: UnsafeRawPointer?, count: Int, elementType: ElementType) {
    (self.base, self.count, self.elementType) = (base, count, elementType)
  }
}
