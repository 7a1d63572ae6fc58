// The memory of operands in half precision.
extension TensorTable {
  /// The address of a tensor in half precision as a table keeps it. It stands for the memory; nobody reads a `Scalar`
  /// there.
  @inline(__always)
  static func address<Half: HalfScalar>(_ elements: UnsafePointer<Half>?) -> Pointer? {
    elements.map { UnsafeMutableRawPointer(mutating: $0).assumingMemoryBound(to: Scalar.self) }
  }

  @inline(__always)
  static func address<Half: HalfScalar>(_ elements: UnsafeMutablePointer<Half>?) -> Pointer? {
    address(UnsafePointer(elements))
  }

  /// `y ← gradient`, for n elements of a tensor whose gradient is stored in half precision.
  @inline(__always)
  func widenGradient(_ index: Int, _ type: ElementType, at start: Int, into y: Pointer, _ n: Int) {
    let x = UnsafeRawPointer(entry(index).pointee.gradient.unsafelyUnwrapped) + start * type.byteCount
    HalfLoops.widen(x, type, into: Self.asFloats(y), n)
  }

  /// `gradient ← x`, rounded once.
  @inline(__always)
  func narrowGradient(_ index: Int, _ type: ElementType, at start: Int, from x: Pointer, _ n: Int) {
    let y = UnsafeMutableRawPointer(entry(index).pointee.gradient.unsafelyUnwrapped) + start * type.byteCount
    HalfLoops.narrow(Self.asFloats(x), into: y, type, n)
  }

  /// Measures n elements of a gradient.
  @inline(__always)
  func measureGradient(
    _ index: Int, _ type: ElementType, at start: Int, _ n: Int, _ measure: TileMeasure, _ scratch: ThreadScratch<Scalar>
  ) -> TileSum {
    let x = UnsafeRawPointer(entry(index).pointee.gradient.unsafelyUnwrapped) + start * type.byteCount
    return .measure(halves: x, type, n, measure, wide: Self.asFloats(scratch.wideTile))
  }

  /// Only tables of `Float`s have operands in half precision.
  @inline(__always)
  static func asFloats(_ tile: Pointer) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer(tile).assumingMemoryBound(to: Float.self)
  }

  /// An element of a gradient.
  func gradientElement(_ index: Int, at position: Int) -> Scalar {
    let gradient = entry(index).pointee.gradient.unsafelyUnwrapped
    guard let type = halves.gradient else { return gradient[position] }
    return withUnsafeTemporaryAllocation(of: Scalar.self, capacity: 1) { element in
      let address = element.baseAddress.unsafelyUnwrapped
      widenGradient(index, type, at: position, into: address, 1)
      return address.pointee
    }
  }
}
