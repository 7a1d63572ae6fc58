public import Momentum

/// An element type that LAPACK computes with: `Float` or `Double`.
///
/// The protocol is closed. Its underscored requirements are the C routines of one precision; they check nothing and are no
/// public API. Use ``LAPACK`` for checked calls.
public protocol LAPACKScalar: BLASScalar {
  static func _lassq(
    _ n: Int32, _ x: UnsafePointer<Self>, _ incx: Int32, _ scale: inout Self, _ sumOfSquares: inout Self
  ) -> Int32
  static func _geqrf(
    _ m: Int32, _ n: Int32, _ a: UnsafeMutablePointer<Self>, _ lda: Int32, _ tau: UnsafeMutablePointer<Self>
  ) -> Int32
  static func _orgqr(
    _ m: Int32, _ n: Int32, _ k: Int32, _ a: UnsafeMutablePointer<Self>, _ lda: Int32, _ tau: UnsafePointer<Self>
  ) -> Int32
  /// The singular value decomposition of a matrix stored by columns: values only, or with as many vectors as values.
  static func _gesdd(
    _ withVectors: Bool, _ m: Int32, _ n: Int32, _ a: UnsafeMutablePointer<Self>, _ lda: Int32,
    _ s: UnsafeMutablePointer<Self>, _ u: UnsafeMutablePointer<Self>?, _ vt: UnsafeMutablePointer<Self>?, _ ldvt: Int32
  ) -> Int32
  /// How many elements of memory ``_gesddWork(_:_:_:_:_:_:_:_:_:)`` needs.
  static func _gesddWorkCount(_ m: Int32, _ n: Int32) -> Int
  /// The singular value decomposition of a dense matrix stored by columns, m ≥ n, with n vectors, in memory of the
  /// caller's: a is lost, s has n elements, u m·n, vt n², iwork 8·n.
  static func _gesddWork(
    _ m: Int32, _ n: Int32, _ a: UnsafeMutablePointer<Self>, _ s: UnsafeMutablePointer<Self>,
    _ u: UnsafeMutablePointer<Self>, _ vt: UnsafeMutablePointer<Self>, _ work: UnsafeMutablePointer<Self>,
    _ lwork: Int32, _ iwork: UnsafeMutablePointer<Int32>
  ) -> Int32
}
