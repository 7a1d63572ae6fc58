import Foundation
import Momentum
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

/// The rows of `momentum bench` for steps that keep something in half precision.
final class BenchHalfTests: XCTestCase {
  func testEveryRowHasTheLimitTheLongWayRoundAndTheStepOfFloatsBesideIt() throws {
    let run = try CommandRun(["bench", "--rows", "half", "--count", "3000", "--repeat", "1", "--json"])
    XCTAssertEqual(run.status, 0, run.errors)
    let report = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    let rows = try XCTUnwrap(report["rows"] as? [[String: Any]])
    XCTAssertEqual(rows.first?["name"] as? String, "step (global norm, momentum 0.9)")
    XCTAssertNil(rows.first?["storage"])
    XCTAssertEqual(rows.dropFirst().map { $0["storage"] as? String }, StepStorage.available.map(\.rawValue))
    for row in rows.dropFirst() {
      let ours = try XCTUnwrap(row["secondsMin"] as? Double)
      for (time, ratio) in [
        ("limitSecondsMin", "limitRatio"), ("plainSecondsMin", "plainRatio"), ("wideSecondsMin", "wideRatio"),
      ] {
        let (time, ratio) = (try XCTUnwrap(row[time] as? Double, time), try XCTUnwrap(row[ratio] as? Double, ratio))
        XCTAssertEqual(ratio, time / ours, accuracy: 1e-9 * ratio)
      }
      XCTAssertEqual(row["plain"] as? String, "widened step")
    }
    let bytes = rows.compactMap { ($0["bytes"] as? Int).map { $0 / 3000 } }
    // Gradient twice, velocity and parameter there and back; a copy is written only.
    let expected = StepStorage.available.map {
      switch $0 {
      case .bfloat16Gradients, .float16Gradients, .remainders: 20
      case .bfloat16Copy: 22
      case .nearest, .stochastic, .bfloat16Velocity, .velocityRemainders: 16
      case .bfloat16All, .allStochastic: 12
      }
    }
    XCTAssertEqual(bytes, [24] + expected)
  }

  func testTheMemoryThatRowsNeedIsKnownBefore() {
    let step = BenchOperation(kind: .step, momentum: 0.9)
    XCTAssertEqual(step.bytesPerElement(.float), 16)
    XCTAssertEqual(step.bytesPerElement(.double), 32)
    // Gradients of 2 bytes, another velocity (or two of 2 bytes), and what the parameters are stored in beside Floats.
    for operation in BenchOperation.half {
      let parameters =
        switch operation.storage! {
        case .bfloat16Gradients, .float16Gradients, .bfloat16Velocity: 0
        case .bfloat16Copy, .nearest, .stochastic, .bfloat16All, .allStochastic: 2
        case .remainders, .velocityRemainders: 4
        }
      XCTAssertEqual(operation.bytesPerElement(.float), 16 + 2 + 4 + parameters, operation.name)
    }
  }

  #if os(Linux)
    /// Where the memory holds the step alone, only that is measured.
    func testRowsThatTheMemoryDoesNotHoldAreLeftOutOneByOne() throws {
      let available = try XCTUnwrap(MemoryNeed.available)
      let step = BenchOperation(kind: .step, momentum: 0.9)
      // Between 16 and 22 bytes an element, whatever else the machine does meanwhile.
      let run = BenchRun(
        operations: [step] + BenchOperation.half, sizes: [.count(10), .count(available / 19)], scalars: [.float],
        threads: [1], timer: BenchTimer(repeats: 1), skipsTooLarge: true)
      let parts = try run.parts()
      XCTAssertEqual(parts.map(\.operations.count), [1 + BenchOperation.half.count, 1])
      XCTAssertEqual(run.rowCount(parts), 2 + BenchOperation.half.count)
      XCTAssertEqual(parts.last?.operations, [step])
    }
  #endif

  /// Whatever the contender: one wrong element of each storage is found, in the parameters and in a copy.
  func testAWrongStepIsFound() throws {
    for operation in BenchOperation.half {
      let storage = try XCTUnwrap(operation.storage)
      let memory = try BenchMemory<Float>(ParameterLayout(count: 5000), threads: 1)
      let vectors = try HalfVectors(
        storage, memory.layout, threads: 1, lent: storage.hasWideParameters ? memory.parameters : nil)
      memory.widenGradients(of: vectors, .best)
      let squares = memory.sumsOfSquares()
      let settings = StepSettings(operation, rule: try operation.rule, squares: squares)
      let verification = HalfVerification(vectors, memory, settings, squares: squares, row: "row")
      let right = { try EngineHalfStep(vectors, settings, threads: 1) }
      let expected = try verification.results(of: right())
      XCTAssertNoThrow(try verification.verify(right(), "right", bits: expected))
      XCTAssertNoThrow(try verification.verify(right(), "right", near: expected))
      for spoil in [ForgetfulHalfStep.Spoil.parameter, .copy] where spoil == .parameter || storage == .bfloat16Copy {
        func wrong() throws -> ForgetfulHalfStep { ForgetfulHalfStep(try right(), vectors, spoil) }
        let cause = "row: wrong: element 4999 \(spoil == .copy ? "of the copy " : "")is "
        for check in [
          { try verification.verify(wrong(), "wrong", bits: expected) },
          { try verification.verify(wrong(), "wrong", near: expected) },
        ] {
          XCTAssertThrowsError(try check()) { XCTAssertTrue("\($0)".hasPrefix(cause), "\(storage): \($0)") }
        }
      }
    }
  }

  /// Rounding that is wrong in general, though never by much, is found too.
  func testAnotherRoundingIsFound() throws {
    let operation = try XCTUnwrap(BenchOperation.half.first { $0.storage == .nearest })
    let memory = try BenchMemory<Float>(ParameterLayout(count: 5000), threads: 1)
    let vectors = try HalfVectors(.nearest, memory.layout, threads: 1)
    memory.widenGradients(of: vectors, .best)
    let squares = memory.sumsOfSquares()
    let settings = StepSettings(operation, rule: try operation.rule, squares: squares)
    let verification = HalfVerification(vectors, memory, settings, squares: squares, row: "row")
    var expected = try verification.results(of: EngineHalfStep(vectors, settings, threads: 1))
    for index in stride(from: 0, to: expected.count, by: 2) {
      expected[index] = Float(bitPattern: expected[index].bitPattern + 0x10000)
    }
    XCTAssertThrowsError(
      try verification.verify(EngineHalfStep(vectors, settings, threads: 1), "other", near: expected)
    ) { XCTAssertTrue("\($0)".hasSuffix("2500 of 5000 elements are rounded the other way"), "\($0)") }
  }
}

/// A step after which the last element is another one.
private final class ForgetfulHalfStep: HalfContender {
  enum Spoil { case parameter, copy }

  private let step: EngineHalfStep
  private let vectors: HalfVectors
  private let spoil: Spoil

  init(_ step: EngineHalfStep, _ vectors: HalfVectors, _ spoil: Spoil) {
    (self.step, self.vectors, self.spoil) = (step, vectors, spoil)
  }

  func prepare() {}

  func run() throws {
    try step.run()
    let last = vectors.count - 1
    if spoil == .copy || !vectors.storage.hasWideParameters {
      vectors.narrowBits[last] = BFloat16(10).bitPattern
    } else {
      vectors.parameters[last] += 1
    }
  }

  func parameter(at index: Int) -> Float { step.parameter(at: index) }
}
