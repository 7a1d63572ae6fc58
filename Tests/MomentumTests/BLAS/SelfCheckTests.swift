import XCTest

@testable import Momentum

final class SelfCheckTests: XCTestCase {
  func testTheBLASOfThisMachinePasses() {
    XCTAssertEqual(BLAS.selfCheck(), [])
  }

  // MARK: Negative controls: each routine broken in turn, and nothing else reported

  func testFindsEveryBrokenRoutineOfFloat() { findsEveryBrokenRoutine(Float.self) }
  func testFindsEveryBrokenRoutineOfDouble() { findsEveryBrokenRoutine(Double.self) }

  private func findsEveryBrokenRoutine<S: BLASScalar>(_: S.Type) {
    // Each of these is wrong at the last element or by the last bits only.
    expect(
      "dot",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.dot = { x, y throws(MomentumError) in try BLAS.dot(Self.allButLast(x), Self.allButLast(y)) }
      })
    expect(
      "nrm2",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.nrm2 = { x throws(MomentumError) in try BLAS.nrm2(x) * (1 + 1024 * S.ulpOfOne) }
      })
    expect(
      "asum",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.asum = { x throws(MomentumError) in try BLAS.asum(Self.allButLast(x)) }
      })
    expect(
      "iamax",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.iamax = { x throws(MomentumError) in try BLAS.iamax(x).map { $0 + 1 } }
      })
    expect(
      "scal",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.scal = { factor, x throws(MomentumError) in
          try BLAS.scal(factor, BLAS.MutableVector(x.base, count: max(0, x.count - 1)))
        }
      })
    expect(
      "axpy",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.axpy = { factor, x, y throws(MomentumError) in
          try BLAS.axpy(factor, Self.allButLast(x), into: BLAS.MutableVector(y.base, count: max(0, y.count - 1)))
        }
      })
    expect("copy", breaking: { (r: inout BLAS.Routines<S>) in r.copy = { _, _ throws(MomentumError) in } })
    expect(
      "gemv",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.gemv = { alpha, a, x, beta, y throws(MomentumError) in try BLAS.gemv(alpha, a, x, -beta, into: y) }
      })
    expect(
      "gemm",
      breaking: { (r: inout BLAS.Routines<S>) in
        r.gemm = { alpha, a, b, beta, c throws(MomentumError) in
          try BLAS.gemm(alpha, a, b, beta * (1 + 1024 * S.ulpOfOne), into: c)
        }
      })
  }

  func testFindsARoutineThatIsWrongForOneAlignmentOnly() {
    var routines = BLAS.Routines<Float>()
    routines.asum = { x throws(MomentumError) in
      try BLAS.asum(x) + (Int(bitPattern: x.base) % 64 == 12 && x.count == 33 ? 1 : 0)
    }
    let failures = BLAS.selfCheck(routines, lengths: [32, 33])
    XCTAssertFalse(failures.isEmpty)
    for failure in failures {
      XCTAssertEqual([failure.length, failure.offset], [33, 12])
      XCTAssertEqual(failure.routine, "asum")
      XCTAssertEqual(failure.scalar, "Float")
      XCTAssertEqual(failure.found - failure.expected, 1, accuracy: 1e-5)
    }
  }

  func testFindsAWritePastTheEnd() {
    var routines = BLAS.Routines<Double>()
    routines.scal = { factor, x throws(MomentumError) in
      try BLAS.scal(factor, x)
      x.base![x.count] = 0
    }
    XCTAssertEqual(Set(BLAS.selfCheck(routines, lengths: [0, 8]).map(\.routine)), ["scal (outside)"])
  }

  func testARoutineThatRefusesGoodArgumentsFails() throws {
    var routines = BLAS.Routines<Float>()
    routines.dot = { _, _ throws(MomentumError) in throw .invalidStride(what: "x", stride: 1) }
    let failure = try XCTUnwrap(BLAS.selfCheck(routines, lengths: [3]).first)
    XCTAssertEqual(failure.routine, "dot")
    XCTAssertTrue(failure.found.isNaN)
  }

  private func expect<S>(
    _ routine: String, breaking: (inout BLAS.Routines<S>) -> Void, line: UInt = #line
  ) {
    var routines = BLAS.Routines<S>()
    breaking(&routines)
    let failures = BLAS.selfCheck(routines, lengths: [1, 8, 33])
    XCTAssertEqual(Set(failures.map(\.routine)), [routine], line: line)
    XCTAssertEqual(Set(failures.map(\.scalar)), ["\(S.self)"], line: line)
  }

  private static func allButLast<S>(_ x: BLAS.Vector<S>) -> BLAS.Vector<S> {
    BLAS.Vector(x.base, count: max(0, x.count - 1))
  }
}
