/// A thin, checked and typed layer over CBLAS, for code that needs single BLAS routines.
///
/// The functions keep their BLAS names. They take views of memory that the caller owns, check what C cannot (counts,
/// strides, overlap) and throw a ``MomentumError`` before anything is written. Vectors longer than a 32-bit count are
/// handed over in pieces whose boundaries depend on the length alone.
///
/// ```swift
/// let x: [Double] = [1, 2, 3]
/// var y: [Double] = [1, 1, 1]
/// let product = try BLAS.dot(x.span, x.span)  // 14
/// var span = y.mutableSpan
/// try BLAS.axpy(2, x.span, into: &span)
/// // y is [3, 5, 7]
/// ```
///
/// To clip or to take an optimizer step use ``Gradients`` and ``Optimizer``: they run these routines tile by tile and
/// so move about half as many bytes.
public enum BLAS {
  /// Elements of a strided vector in the caller's memory, for reading. Valid as long as that memory is.
  public struct Vector<Scalar: BLASScalar>: @unchecked Sendable {
    /// The first element; may be `nil` if there are none.
    public let base: UnsafePointer<Scalar>?
    /// The number of elements.
    public let count: Int
    /// The distance from one element to the next, in elements.
    public let stride: Int

    /// Views `count` elements, `stride` apart, the first of them at `base`.
    public init(_ base: UnsafePointer<Scalar>?, count: Int, stride: Int = 1) {
      self.base = base
      self.count = count
      self.stride = stride
    }

    /// Views a whole buffer.
    public init(_ buffer: UnsafeBufferPointer<Scalar>) {
      self.init(buffer.baseAddress, count: buffer.count)
    }
  }

  /// Elements of a strided vector in the caller's memory, for writing. Valid as long as that memory is.
  public struct MutableVector<Scalar: BLASScalar>: @unchecked Sendable {
    /// The first element; may be `nil` if there are none.
    public let base: UnsafeMutablePointer<Scalar>?
    /// The number of elements.
    public let count: Int
    /// The distance from one element to the next, in elements.
    public let stride: Int

    /// Views `count` elements, `stride` apart, the first of them at `base`.
    public init(_ base: UnsafeMutablePointer<Scalar>?, count: Int, stride: Int = 1) {
      self.base = base
      self.count = count
      self.stride = stride
    }

    /// Views a whole buffer.
    public init(_ buffer: UnsafeMutableBufferPointer<Scalar>) {
      self.init(buffer.baseAddress, count: buffer.count)
    }

    /// The same elements, for reading.
    public var readOnly: Vector<Scalar> { Vector(base, count: count, stride: stride) }
  }
}

// MARK: - Checks shared by all routines

extension BLAS {
  /// The largest number of elements that one CBLAS call gets. A multiple of 32, so that every piece but the last
  /// consists of whole kernel vectors and an element's bits do not depend on the cut. Tests bind a small number, to
  /// have seams.
  @TaskLocal static var pieceCount = 1 << 30

  /// Calls `body` with the offset and the length of every piece of `count` elements whose strides are at most `stride`.
  package static func forEachPiece(_ count: Int, stride: Int, _ body: (_ offset: Int, _ count: Int32) -> Void) {
    // Some kernels multiply count and stride in 32 bits; this length keeps the product in range as well.
    let length = max(32, pieceCount / max(stride, 1) & -32)
    var offset = 0
    while offset < count {
      let n = min(length, count - offset)
      body(offset, Int32(n))
      offset += n
    }
  }

  static func check<S>(_ what: String, count: Int, stride: Int, base: UnsafePointer<S>?) throws(MomentumError) {
    try BLASTraits.checkCounts()
    guard count >= 0, count == 0 || base != nil else {
      throw .countMismatch(what: what, count: count, expected: 0)
    }
    // Zero and negative strides have different meanings in different releases of OpenBLAS and in reference BLAS.
    guard stride > 0, stride <= Int(Int32.max) else { throw .invalidStride(what: what, stride: stride) }
    // No address space holds more, and the address of the last element must be a number.
    let most = (Int.max / MemoryLayout<S>.stride - 1) / stride
    guard count <= most else { throw .countMismatch(what: what, count: count, expected: most) }
  }

  package static func check<S>(_ x: Vector<S>, _ what: String = "x") throws(MomentumError) {
    try check(what, count: x.count, stride: x.stride, base: x.base)
  }

  static func check<S>(_ x: MutableVector<S>, _ what: String = "y") throws(MomentumError) {
    try check(what, count: x.count, stride: x.stride, base: x.base)
  }

  static func checkSameCount(_ x: Int, _ y: Int) throws(MomentumError) {
    guard x == y else { throw .countMismatch(what: "y", count: y, expected: x) }
  }

  static func checkSeparate<S>(_ x: Vector<S>, _ y: MutableVector<S>) throws(MomentumError) {
    guard !overlap(x.base, extent(x.count, x.stride), y.base, extent(y.count, y.stride)) else {
      throw .overlap(first: "x", second: "y")
    }
  }

  /// The number of places from the first to the last element of a strided vector, both included.
  static func extent(_ count: Int, _ stride: Int) -> Int { count == 0 ? 0 : (count - 1) * stride + 1 }

  /// Whether two runs of elements share memory.
  static func overlap<S>(
    _ x: UnsafePointer<S>?, _ xExtent: Int, _ y: UnsafeMutablePointer<S>?, _ yExtent: Int
  ) -> Bool {
    guard let x, let y, xExtent > 0, yExtent > 0 else { return false }
    let yRead = UnsafePointer(y)
    return x < yRead + yExtent && yRead < x + xExtent
  }
}
