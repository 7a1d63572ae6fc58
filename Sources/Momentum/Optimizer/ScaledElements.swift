/// The velocity or the average of a tensor: a stored vector times a factor, multiplied out only where it is read.
package struct ScaledElements<Scalar: BLASScalar> {
  /// The stored vector.
  let stored: UnsafeBufferPointer<Scalar>
  let factor: ScaledDouble

  init(stored: UnsafeBufferPointer<Scalar>, factor: ScaledDouble) { (self.stored, self.factor) = (stored, factor) }

  /// The number of elements that are multiplied at once for ``forEachPiece(_:)``.
  private static var pieceCount: Int { 1 << 16 }

  /// Calls `body` with all elements, of a copy unless the factor is 1.
  func withUnsafeElements<R, E: Error>(_ body: (UnsafeBufferPointer<Scalar>) throws(E) -> R) throws(E) -> R {
    if factor == ScaledDouble(1) { return try body(stored) }
    let products = UnsafeMutableBufferPointer<Scalar>.allocate(capacity: stored.count)
    defer { products.deallocate() }
    Self.multiply(stored, by: factor, into: products)
    return try body(UnsafeBufferPointer(products))
  }

  /// Calls `body` with one piece of the elements after the other.
  package func forEachPiece<E: Error>(_ body: (UnsafeBufferPointer<Scalar>) throws(E) -> Void) throws(E) {
    if factor == ScaledDouble(1) { return try body(stored) }
    for start in stride(from: 0, to: stored.count, by: Self.pieceCount) {
      let piece = UnsafeBufferPointer(rebasing: stored[start..<min(start + Self.pieceCount, stored.count)])
      try ScaledElements(stored: piece, factor: factor).withUnsafeElements(body)
    }
  }

  /// The products, with the same roundings as those of a step that folds its scale.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func multiply(
    _ elements: UnsafeBufferPointer<Scalar>, by factor: ScaledDouble, into products: UnsafeMutableBufferPointer<Scalar>
  ) {
    guard let x = elements.baseAddress, let y = products.baseAddress else { return }
    let call = EngineCall.begin()
    defer { call.end() }
    let rounded = RoundedFactor<Scalar>(factor)
    ElementLoops.scale(x, byPowerOfTwo: rounded.prescale, into: y, elements.count)
    ElementLoops.multiply(y, by: rounded.value, elements.count)
  }
}
