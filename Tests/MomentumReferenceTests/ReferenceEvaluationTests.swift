import Foundation
import Momentum
import XCTest

@testable import MomentumReference

final class ReferenceEvaluationTests: XCTestCase {
  private func fixtures() throws -> ReferenceFixtures { try ReferenceFixtures(folder: ReferenceFixtures.locate()) }

  /// The rows that failed, as a message.
  private func failures(_ rows: [ReferenceRow]) -> [String] {
    rows.filter { !$0.passed }.map {
      "\($0.operation), \($0.scalar): \($0.worstErrorUlps) ulp, tolerance \($0.tolerance), in \($0.worstCase)"
    }
  }

  func testTheLibraryAgreesWithEveryReferenceValue() throws {
    let report = try ReferenceReport(fixtures: ReferenceFixtures.locate())
    XCTAssertEqual(failures(report.rows), [])
    XCTAssertTrue(report.rows.allSatisfy { $0.cases > 0 })
    XCTAssertEqual(report.negativeControls.map(\.wasRejected), [Bool](repeating: true, count: 6))
    XCTAssertTrue(report.passed)
  }

  func testTheControlsAreRejectedForTheirFaultAlone() throws {
    var fixtures = try fixtures()
    // Short vectors: a plain dot product is as good as tiles.
    fixtures.norms = fixtures.norms.filter {
      $0.scalar == "float" && $0.name.hasPrefix("signed") && $0.input.count < 3000
    }
    fixtures.grid = []
    XCTAssertEqual(failures(try fixtures.evaluateNorms(of: WholeVectorDot(), portable: false)), [])
    // Without a clip there is no coefficient to apply twice.
    fixtures.updates = fixtures.updates.filter {
      $0.convention == "native" && $0.clipping == ReferenceClipping(normType: "2")
    }
    XCTAssertFalse(fixtures.updates.isEmpty)
    XCTAssertEqual(failures(try fixtures.evaluateSteps(of: TwiceClipped())), [])
  }

  func testAMovedNormIsNoticed() throws {
    var fixtures = try fixtures()
    fixtures.norms = fixtures.norms.filter { $0.name == "normal, 3" || $0.name == "normal, 4096" }
    (fixtures.grid, fixtures.golden) = ([], [])
    XCTAssertEqual(failures(try fixtures.evaluateNorms(of: MomentumSubject(), portable: false)), [])
    for index in fixtures.norms.indices {
      for order in fixtures.norms[index].norms.keys {
        fixtures.norms[index].norms[order]?.significand?.double *= 1 + 0x1p-16
      }
    }
    let rows = try fixtures.evaluateNorms(of: MomentumSubject(), portable: false)
    XCTAssertTrue(rows.allSatisfy { !$0.passed }, "\(rows.filter(\.passed))")
  }

  func testAGoldenValueMovedByThreeUlpsIsNoticed() throws {
    var fixtures = try fixtures()
    (fixtures.norms, fixtures.grid) = ([], [])
    for index in fixtures.golden.indices {
      let ulp = fixtures.golden[index].scalar == "float" ? 0x1p-23 : 0x1p-52
      fixtures.golden[index].golden["2"]!.double *= 1 + 3 * ulp
    }
    let rows = try fixtures.evaluateNorms(of: MomentumSubject(algorithm: .portable), portable: true)
    let golden = try XCTUnwrap(rows.first { $0.operation.hasPrefix("ReproBLAS golden, 2") && $0.scalar == "float" })
    XCTAssertFalse(golden.passed)
    XCTAssertTrue(rows.filter { $0.operation.hasPrefix("ReproBLAS inputs") }.allSatisfy(\.passed))
  }

  func testMovedClipsAndStepsAreNoticed() throws {
    var fixtures = try fixtures()
    let clip = try XCTUnwrap(fixtures.clips.firstIndex { $0.convention == "native" && $0.name == "random, all three" })
    let update = try XCTUnwrap(fixtures.updates.firstIndex { $0.convention == "keras" && $0.name == "momentum 0.9" })
    fixtures.clips = [fixtures.clips[clip]]
    fixtures.updates = [fixtures.updates[update]]
    XCTAssertEqual(failures(try fixtures.evaluateClips(of: MomentumSubject())), [])
    XCTAssertEqual(failures(try fixtures.evaluateSteps(of: MomentumSubject())), [])

    fixtures.clips[0].expected.tensors[1][2].double *= 1 + 0x1p-16
    fixtures.clips[0].expected.coefficient.double *= 1 + 0x1p-16
    fixtures.clips[0].expected.valueClippedCount += 1
    fixtures.clips[0].expected.comparedNorm.significand?.double *= 1 + 0x1p-16
    let clips = try fixtures.evaluateClips(of: MomentumSubject()).filter { !$0.passed }
    XCTAssertEqual(
      clips.map(\.operation), ["clip, elements", "clip, reported norms", "clip, coefficient", "clip, counts"])

    fixtures.updates[0].expected[2].parameters[1].double += 0x1p-16
    fixtures.updates[0].expected[2].velocity?[0].double += 0x1p-16
    let steps = try fixtures.evaluateSteps(of: MomentumSubject()).filter { !$0.passed }
    XCTAssertEqual(steps.map(\.operation), ["steps, parameters", "steps, velocity"])
  }

  func testAMovedBLASValueIsNoticed() throws {
    var fixtures = try fixtures()
    XCTAssertEqual(failures(try fixtures.evaluateBLAS()), [])
    for index in fixtures.blas.indices {
      if let position = fixtures.blas[index].index {
        fixtures.blas[index].index = position + 1
      } else {
        fixtures.blas[index].expected![0].double += 0.01
      }
    }
    XCTAssertTrue(try fixtures.evaluateBLAS().allSatisfy { !$0.passed })
  }
}
