internal import Synchronization

/// Computes polar factors for ``Orthogonalization/polar``: what the engine takes from a module that has LAPACK.
package struct PolarRoutine<Scalar: BLASScalar>: Sendable {
  /// The bytes of memory that a matrix of some rows and no fewer columns needs besides its own.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a matrix that the routine cannot take.
  package let byteCount: @Sendable (_ rows: Int, _ columns: Int) throws(MomentumError) -> Int
  /// Replaces a matrix, which is stored row by row and has no more rows than columns, by its polar factor. Allocates
  /// nothing. The result is `false`, and the matrix is of no use, if the decomposition was not found.
  package let replace:
    @Sendable (
      _ matrix: UnsafeMutablePointer<Scalar>, _ rows: Int, _ columns: Int, _ memory: UnsafeMutableRawPointer
    ) -> Bool

  package init(
    byteCount: @escaping @Sendable (_ rows: Int, _ columns: Int) throws(MomentumError) -> Int,
    replace:
      @escaping @Sendable (
        _ matrix: UnsafeMutablePointer<Scalar>, _ rows: Int, _ columns: Int, _ memory: UnsafeMutableRawPointer
      ) -> Bool
  ) {
    (self.byteCount, self.replace) = (byteCount, replace)
  }
}

/// The routines of this process, of one module for all: an optimizer gets its rules from files too, which cannot bring
/// code along.
package enum PolarRoutines {
  private typealias Both = (float: PolarRoutine<Float>, double: PolarRoutine<Double>)
  private static let supplied = Mutex<Both?>(nil)

  package static func supply(_ float: PolarRoutine<Float>, _ double: PolarRoutine<Double>) {
    supplied.withLock { $0 = (float, double) }
  }

  /// - Throws: ``MomentumError/invalidSetting(_:)`` if there are no routines.
  static func check() throws(MomentumError) { _ = try both() }

  /// - Throws: ``MomentumError/invalidSetting(_:)`` if there are no routines.
  static func routine<Scalar: BLASScalar>(for _: Scalar.Type) throws(MomentumError) -> PolarRoutine<Scalar> {
    let both = try both()
    guard let routine = both.float as? PolarRoutine<Scalar> ?? both.double as? PolarRoutine<Scalar> else {
      preconditionFailure("a BLASScalar is Float or Double, not \(Scalar.self)")
    }
    return routine
  }

  private static func both() throws(MomentumError) -> Both {
    guard let both = supplied.withLock({ $0 }) else {
      throw .invalidSetting(
        name: "method", value: "polar",
        expected: "a program that uses MomentumLAPACK and has called LAPACK.supplyPolarFactors(), or another method")
    }
    return both
  }
}
