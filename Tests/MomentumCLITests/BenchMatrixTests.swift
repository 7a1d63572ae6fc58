import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumCLI

/// `momentum bench --matrices`.
final class BenchMatrixTests: XCTestCase {
  func testRowsHoldTheNumbersOfTheContract() throws {
    let report = try bench([
      "--matrices", "70x130", "64x30", "300x100", "--scalar", "float", "double", "--threads", "2",
    ])
    let rows = try XCTUnwrap(report["rows"] as? [[String: Any]])
    XCTAssertEqual(
      rows.map { "\($0["matrices"]!), \($0["scalar"]!), \($0["threads"]!)" },
      ["float", "double"].flatMap { type in ["70x130", "64x30", "300x100"].map { "\($0), \(type), 2" } })
    for row in rows {
      func number(_ name: String) throws -> Double { try XCTUnwrap(row[name] as? Double, name) }
      // Five steps: with one restart, or for a matrix in one tile as they are written down, or for a long one without.
      let (r, c, restarts) =
        switch row["matrices"] as? String {
        case "70x130": (70.0, 130.0, 1.0)
        case "64x30": (30, 64, 4)
        default: (100, 300, 0)
        }
      XCTAssertEqual(try number("restarts"), restarts)
      XCTAssertNil(row["condition"])
      XCTAssertEqual(try number("operations"), 17 * r * r * r + 3 * r * r * c + restarts * 3 * r * r * (c - r))
      let (ours, limit) = (try number("secondsMin"), try number("limitSecondsMin"))
      func expect(_ name: String, _ expected: Double) throws {
        XCTAssertEqual(try number(name) / expected, 1, accuracy: 1e-9, name)
      }
      try expect("gigaflops", number("operations") / ours * 1e-9)
      try expect("limitGigaflops", number("operations") / limit * 1e-9)
      try expect("limitRatio", limit / ours)
      try expect("plainRatio", number("plainSecondsMin") / ours)
      XCTAssertGreaterThan(try number("largeGigaflops"), 0)
      XCTAssertNil(row["plainFault"])
      XCTAssertNil(row["polarSecondsMin"])
    }
    XCTAssertEqual(report["complete"] as? Bool, true)
    XCTAssertNotNil((report["machine"] as? [String: Any])?["blas"])
  }

  func testAConditionAsksForRestarts() throws {
    let report = try bench(["--matrices", "100x300", "--condition", "1e4"])
    let row = try XCTUnwrap((report["rows"] as? [[String: Any]])?.first)
    XCTAssertEqual(row["condition"] as? Double, 1e4)
    XCTAssertEqual(row["restarts"] as? Int, 1)
    XCTAssertEqual(row["operations"] as? Double, 17e6 + 9e6 + 6e6)
  }

  func testPolarFactorsAreTimedBesideNewtonSchulz() throws {
    let report = try bench(["--matrices", "40x60", "--polar"])
    let row = try XCTUnwrap((report["rows"] as? [[String: Any]])?.first)
    XCTAssertEqual(
      try XCTUnwrap(row["polarRatio"] as? Double),
      try XCTUnwrap(row["polarSecondsMin"] as? Double) / XCTUnwrap(row["secondsMin"] as? Double), accuracy: 1e-6)
  }

  func testTheTableAndTheCSVHaveARowForEachCase() throws {
    try withScratchFolder { folder in
      let file = folder.appendingPathComponent("rows.csv").path
      let run = try CommandRun(["bench", "--matrices", "20x20", "8x90", "--repeat", "1", "--csv", file])
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.output.contains("plain/ours"), run.output)
      let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
      XCTAssertEqual(lines.dropFirst().map { $0.prefix { $0 != "," } }, ["20x20", "8x90"])
      let columns = lines.map { $0.split(separator: ",", omittingEmptySubsequences: false).count }
      XCTAssertEqual(Set(columns).count, 1)
    }
  }

  func testCasesAreSidesOrTheMatricesOfAModel() throws {
    let gpt2 = try XCTUnwrap(MatrixCase("gpt2"))
    XCTAssertEqual(gpt2.shapes.count, 48)
    XCTAssertEqual(Set(gpt2.shapes), [[768, 2304], [768, 768], [768, 3072], [3072, 768]])
    XCTAssertEqual(MatrixCase("3x5")?.shapes, [[3, 5]])
    for name in ["", "3", "3x", "x3", "0x3", "3x-1", "3x4x5", "axb", "resnet50"] {
      XCTAssertNil(MatrixCase(name), name)
    }
  }

  func testWrongUsageExitsWith64() throws {
    for arguments in [
      ["--matrices"], ["--matrices", "3"], ["--matrices", "3x4", "--count", "5"],
      ["--matrices", "3x4", "--model", "gpt2"],
      ["--matrices", "3x4", "--growth"], ["--matrices", "3x4", "--clip", "none"],
      ["--matrices", "3x4", "--rows", "step"],
      ["--matrices", "3x4", "--momentum", "0.5"], ["--matrices", "3x4", "--plots", "folder"], ["--polar"],
      ["--condition", "10"], ["--matrices", "3x4", "--condition", "0.5"],
    ] {
      let run = try CommandRun(["bench"] + arguments)
      XCTAssertEqual(run.status, 64, arguments.joined(separator: " "))
      XCTAssertEqual(run.output, "")
    }
  }

  func testMoreThanTheMemoryHoldsIsToldBeforeAnythingRuns() throws {
    for name in ["1000000x1000000", "\(Int.max)x\(Int.max)"] {
      let run = try CommandRun(["bench", "--matrices", "5x5", name, "--json"])
      XCTAssertEqual(run.status, 1)
      XCTAssertEqual(run.output, "")
      XCTAssertTrue(run.errors.contains("\(name) of float: needs"), run.errors)
    }
  }

  // MARK: Verification

  /// Against products of its elements, written down.
  func testTheElementsOfTheKnownMatrixAreThoseOfItsFactors() {
    let cases: [(Int, Int, Double?)] = [
      (7, 12, nil), (12, 7, 50), (5, 5, nil), (1, 4, nil), (70, 66, nil), (66, 90, 3), (130, 20, nil),
    ]
    for (rows, columns, condition) in cases {
      let matrix = ReflectedMatrix(rows: rows, columns: columns, condition: condition, seed: 3)
      let (elements, squares) = (matrix.elements, matrix.orthogonalized { $0 * $0 * $0 })
      let x = (0..<rows).map { i in (0..<columns).map { elements[i, $0] } }
      let norm = x.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
      // X Xᵀ X has the cubes of the singular values.
      let gram = x.map { row in x.map { zip(row, $0).reduce(0) { $0 + $1.0 * $1.1 } } }
      for i in 0..<rows {
        for j in 0..<columns {
          let sum = (0..<rows).reduce(0) { $0 + gram[i][$1] * x[$1][j] }
          XCTAssertEqual(sum / (norm * norm * norm), squares[i, j], accuracy: 1e-14)
        }
      }
      XCTAssertGreaterThan(x[0][columns - 1].magnitude, 0)
    }
  }

  func testAWrongStepIsFound() throws {
    let matrices = try XCTUnwrap(MatrixCase("90x150"))
    let memory = try BenchMemory<Float>(matrices.layout(), threads: 1)
    let step = try MatrixStep()
    let verification = MatrixVerification(matrices, memory, step, row: "row")
    verification.fillGradients()
    let engine = try EngineStep(memory, step.muon, kernels: .automatic)
    XCTAssertNoThrow(try verification.verify(engine, "right", step.method.value))
    // The last element stays where it was; and four steps instead of five.
    let forgetful = ForgetfulStep(try EngineStep(memory, step.muon, kernels: .automatic), memory)
    XCTAssertThrowsError(try verification.verify(forgetful, "forgetful", step.method.value)) {
      XCTAssertTrue("\($0)".hasPrefix("row: forgetful: matrix 0 is off by "), "\($0)")
    }
    var muon = step.muon
    muon.method = .jordan(steps: 4)
    let short = try EngineStep(memory, muon, kernels: .automatic)
    XCTAssertThrowsError(try verification.verify(short, "short", step.method.value))
  }
}
