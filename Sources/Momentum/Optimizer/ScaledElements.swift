/// The velocity or the average of a tensor: a stored vector times a factor, multiplied out only where it is read.
package struct ScaledElements<Scalar: BLASScalar> {
  /// The stored vector.
  private let stored: TensorBuffer
  private let factor: ScaledDouble

  /// - Parameter stored: `Scalar`s or, of `Float`, ``BFloat16``s.
  init(stored: TensorBuffer, factor: ScaledDouble) { (self.stored, self.factor) = (stored, factor) }

  /// - Parameter stored: `Scalar`s or, of `Float`, ``BFloat16``s, for as long as this is used.
  package init(stored: TensorBuffer, scale: Double) { self.init(stored: stored, factor: ScaledDouble(scale)) }

  /// The stored vector if it is the product.
  private var product: UnsafeBufferPointer<Scalar>? {
    guard factor == ScaledDouble(1), stored.elementType == Scalar.elementType else { return nil }
    return UnsafeBufferPointer(start: stored.base?.assumingMemoryBound(to: Scalar.self), count: stored.count)
  }

  /// The number of elements that are multiplied at once for ``forEachPiece(_:)``.
  private static var pieceCount: Int { 1 << 16 }

  /// Calls `body` with all elements, of a copy unless the stored vector is the product.
  func withUnsafeElements<R, E: Error>(_ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R) throws(E) -> R {
    if let product { return try body(product) }
    let products = UnsafeMutableBufferPointer<Scalar>.allocate(capacity: stored.count)
    defer { products.deallocate() }
    Self.multiply(stored, by: factor, into: products)
    return try body(UnsafeBufferPointer(products))
  }

  /// Calls `body` with one piece of the elements after the other.
  package func forEachPiece<E: Error>(_ body: (UnsafeBufferPointer<Scalar>) throws(E) -> Void) throws(E) {
    if let product { return try body(product) }
    for start in stride(from: 0, to: stored.count, by: Self.pieceCount) {
      let piece = stored[start..<min(start + Self.pieceCount, stored.count)]
      try ScaledElements(stored: piece, factor: factor).withUnsafeElements(body)
    }
  }

  /// The products, with the same roundings as those of a step that folds its scale.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func multiply(
    _ elements: TensorBuffer, by factor: ScaledDouble, into products: UnsafeMutableBufferPointer<Scalar>
  ) {
    guard let base = elements.base, let y = products.baseAddress else { return }
    let call = EngineCall.begin()
    defer { call.end() }
    var x = base.assumingMemoryBound(to: Scalar.self)
    if elements.elementType != Scalar.elementType {
      HalfLoops.widen(base, elements.elementType, into: TensorTable.asFloats(y), elements.count)
      x = UnsafePointer(y)
    }
    let rounded = RoundedFactor<Scalar>(factor)
    ElementLoops.scale(x, byPowerOfTwo: rounded.prescale, into: y, elements.count)
    ElementLoops.multiply(y, by: rounded.value, elements.count)
  }
}
