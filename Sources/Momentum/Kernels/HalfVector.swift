/// A vector that is not stored as `Float`s: in half precision, or split into numbers of 16 bits and remainders.
struct HalfVector: @unchecked Sendable {  // addresses; whoever holds it guards the access
  let base: UnsafeRawPointer
  let type: ElementType
  var remainders: UnsafeRawPointer?

  /// `y ← n elements`, exact.
  @inline(__always)
  func widen(at start: Int, into y: UnsafeMutablePointer<Float>, _ n: Int) {
    if let remainders {
      HalfLoops.join(base + 2 * start, remainders + 2 * start, into: y, n)
    } else {
      HalfLoops.widen(base + start * type.byteCount, type, into: y, n)
    }
  }

  /// One element.
  subscript(index: Int) -> Float {
    var element: Float = 0
    widen(at: index, into: &element, 1)
    return element
  }
}
