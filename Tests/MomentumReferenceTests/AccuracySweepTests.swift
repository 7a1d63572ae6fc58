import Momentum
import XCTest

@testable import MomentumReference

final class AccuracySweepTests: XCTestCase {
  func testBothAlgorithmsKeepTheirPromisesUpTo100000Elements() throws {
    let report = try SweepReport(largest: 100_033)
    XCTAssertEqual(report.rows.filter { !$0.passed }, [])
    XCTAssertTrue(report.negativeControls.allSatisfy(\.wasRejected), "\(report.negativeControls)")
    XCTAssertEqual(report.negativeControls.count, 3)
    XCTAssertTrue(report.passed)
    // Every distribution, scalar and algorithm at every length.
    XCTAssertEqual(report.rows.count, 9 * 2 * 2 * SweepLengths.upTo(100_033).count)
    XCTAssertEqual(Set(report.rows.map(\.distribution)), Set(SweepDistribution.allCases))
  }

  func testAFailureIsAFailure() throws {
    var report = try SweepReport(largest: 3, scalars: ["float"])
    XCTAssertTrue(report.passed)
    report.rows[0].passed = false
    XCTAssertFalse(report.passed)
  }

  func testPromisesAreThoseOfTheAlgorithm() throws {
    // Norms of the default algorithm do not all keep the portable one's promise.
    let sweep = AccuracySweep<Float>(distribution: .constant, lengths: [2048, 4096])
    XCTAssertTrue(try sweep.rows(of: [(.blas, MomentumSubject())]).allSatisfy(\.passed))
    XCTAssertFalse(try sweep.rows(of: [(.portable, FloatAccumulatorNorm())]).allSatisfy(\.passed))
    XCTAssertTrue(SweepRow(.constant, "float", .blas, length: 1, errorUlps: 1, bound: 1).passed)
    XCTAssertFalse(SweepRow(.constant, "float", .blas, length: 1, errorUlps: .nan, bound: 1).passed)
  }

  func testDistributionsAreWhatTheirNamesSay() {
    func check<Scalar: ReferenceScalar>(_ type: Scalar.Type) {
      func elements(_ distribution: SweepDistribution) -> [Scalar] {
        [Scalar](unsafeUninitializedCapacity: 5000) { buffer, count in
          count = 5000
          let all = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
          distribution.recipe(type).fill(all, first: 0, seed: distribution.seed)
        }
      }
      for distribution in SweepDistribution.allCases {
        XCTAssertTrue(elements(distribution).allSatisfy(\.isFinite), distribution.rawValue)
      }
      XCTAssertTrue(elements(.subnormal).allSatisfy(\.isSubnormal))
      XCTAssertTrue(elements(.nearOverflow).allSatisfy { !($0 * $0).isFinite })
      XCTAssertTrue(elements(.nearUnderflow).allSatisfy { $0.isNormal && $0 * $0 == 0 })
      XCTAssertTrue(elements(.giant).allSatisfy { 1 + $0 * $0 == 1 && $0 != 0 })
      XCTAssertEqual(Set(elements(.constant)), [Scalar(0.1)])
      XCTAssertGreaterThan(Set(elements(.wholeRange).map { Int($0.exponent) }).count, 200)
    }
    check(Float.self)
    check(Double.self)
  }

  func testElementsDoNotDependOnWhereTheDrawingBegan() {
    for distribution in SweepDistribution.allCases {
      func elements(_ cuts: [Int]) -> [Float] {
        [Float](unsafeUninitializedCapacity: 300) { buffer, count in
          count = 300
          for (start, end) in zip([0] + cuts, cuts + [300]) {
            distribution.recipe(Float.self).fill(
              UnsafeMutableBufferPointer(rebasing: buffer[start..<end]), first: start, seed: distribution.seed)
          }
        }
      }
      XCTAssertEqual(elements([]), elements([1, 64, 201]), distribution.rawValue)
    }
  }

  func testLengthsReachTheLargest() {
    XCTAssertEqual(SweepLengths.upTo(5), [1, 2, 3, 4, 5])
    XCTAssertEqual(SweepLengths.upTo(777).last, 777)
    XCTAssertTrue(SweepLengths.upTo(1_000_000_000).contains(1 << 29 + 1))
  }

  func testTheKernelsLanesAreAPlausiblePowerOfTwo() {
    XCTAssertTrue([4, 8, 16, 32, 64, 128].contains(KernelLanes.float), "\(KernelLanes.float)")
    XCTAssertTrue([2, 4, 8, 16, 32, 64].contains(KernelLanes.double), "\(KernelLanes.double)")
  }

  func testAvailableMemoryIsReadFromTheSystemsText() {
    let text = "MemTotal:       24576000 kB\nMemFree:          100 kB\nMemAvailable:   22903704 kB\n"
    XCTAssertEqual(MemoryBudget.available(inMemInfo: text), 22_903_704 << 10)
    XCTAssertNil(MemoryBudget.available(inMemInfo: ""))
    XCTAssertEqual(MemoryBudget.room(for: 10, each: 4), 10)
    XCTAssertEqual(MemoryBudget.text(17_179_886_184), "17.1 GB")
  }
}
