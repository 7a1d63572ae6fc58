internal import CMomentumLAPACKE
public import Momentum

// The C routines of this precision; the file of the other one has the same members in the same order.
extension Float: LAPACKScalar {
  public static func _lassq(
    _ n: Int32, _ x: UnsafePointer<Float>, _ incx: Int32, _ scale: inout Float, _ sumOfSquares: inout Float
  ) -> Int32 {
    // LAPACKE declares x non-const but only reads it. The _work form skips the NaN check that would return early.
    LAPACKE_slassq_work(n, UnsafeMutablePointer(mutating: x), incx, &scale, &sumOfSquares)
  }

  public static func _geqrf(
    _ m: Int32, _ n: Int32, _ a: UnsafeMutablePointer<Float>, _ lda: Int32, _ tau: UnsafeMutablePointer<Float>
  ) -> Int32 {
    BLASTraits.withWorkBuffer { LAPACKE_sgeqrf(LAPACK_ROW_MAJOR, m, n, a, lda, tau) }
  }

  public static func _orgqr(
    _ m: Int32, _ n: Int32, _ k: Int32, _ a: UnsafeMutablePointer<Float>, _ lda: Int32, _ tau: UnsafePointer<Float>
  ) -> Int32 {
    BLASTraits.withWorkBuffer { LAPACKE_sorgqr(LAPACK_ROW_MAJOR, m, n, k, a, lda, tau) }
  }

  public static func _gesdd(
    _ withVectors: Bool, _ m: Int32, _ n: Int32, _ a: UnsafeMutablePointer<Float>, _ lda: Int32,
    _ s: UnsafeMutablePointer<Float>, _ u: UnsafeMutablePointer<Float>?, _ vt: UnsafeMutablePointer<Float>?,
    _ ldvt: Int32
  ) -> Int32 {
    let job = CChar(bitPattern: UInt8(ascii: withVectors ? "S" : "N"))
    return BLASTraits.withWorkBuffer {
      LAPACKE_sgesdd(LAPACK_COL_MAJOR, job, m, n, a, lda, s, u, max(m, 1), vt, max(ldvt, 1))
    }
  }

  public static func _gesddWorkCount(_ m: Int32, _ n: Int32) -> Int {
    var count: Float = 0
    _ = LAPACKE_sgesdd_work(LAPACK_COL_MAJOR, vectors, m, n, nil, m, nil, nil, m, nil, n, &count, -1, nil)
    // Some versions round the count to the nearest number of this type, which may be below.
    return Int(count.nextUp.rounded(.up))
  }

  public static func _gesddWork(
    _ m: Int32, _ n: Int32, _ a: UnsafeMutablePointer<Float>, _ s: UnsafeMutablePointer<Float>,
    _ u: UnsafeMutablePointer<Float>, _ vt: UnsafeMutablePointer<Float>, _ work: UnsafeMutablePointer<Float>,
    _ lwork: Int32, _ iwork: UnsafeMutablePointer<Int32>
  ) -> Int32 {
    BLASTraits.withWorkBuffer {
      LAPACKE_sgesdd_work(LAPACK_COL_MAJOR, vectors, m, n, a, m, s, u, m, vt, n, work, lwork, iwork)
    }
  }

  /// As many singular vectors as values.
  private static var vectors: CChar { CChar(bitPattern: UInt8(ascii: "S")) }
}
