import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumCLI

final class BenchCommandTests: XCTestCase {
  func testTheFirstRowIsTheStepAskedFor() throws {
    let report = try bench(["--count", "3000", "--clip", "none", "--nesterov", "--repeat", "2"])
    let rows = try XCTUnwrap(report["rows"] as? [[String: Any]])
    XCTAssertEqual(rows.count, BenchOperation.all.count)
    let first = try XCTUnwrap(rows.first)
    XCTAssertEqual(first["name"] as? String, "step (no clip, nesterov 0.9)")
    XCTAssertEqual(first["count"] as? Int, 3000)
    XCTAssertEqual(first["scalar"] as? String, "float")
    // Gradient, velocity and parameters read, the last two written.
    XCTAssertEqual(first["bytes"] as? Int, 5 * 4 * 3000)
    XCTAssertEqual(first["repeats"] as? Int, 2)
    XCTAssertEqual(Set(rows.compactMap { $0["name"] as? String }).count, rows.count)
    XCTAssertEqual(report["complete"] as? Bool, true)
    XCTAssertNotNil((report["machine"] as? [String: Any])?["blas"])
  }

  func testWhatReadsTheGradientOnceSavesOneElementAParameter() throws {
    for (arguments, words) in [
      ([String](), 6), (["--one-pass"], 5), (["--clip", "value"], 6), (["--clip", "value", "--no-report"], 5),
    ] {
      let report = try bench(["--count", "5000", "--rows", "step"] + arguments)
      let rows = try XCTUnwrap(report["rows"] as? [[String: Any]])
      XCTAssertEqual(rows.count, 1)
      XCTAssertEqual(rows[0]["onePass"] as? Bool, arguments.contains("--one-pass"))
      XCTAssertEqual(rows[0]["reportsNorms"] as? Bool, !arguments.contains("--no-report"))
      XCTAssertEqual(rows[0]["bytes"] as? Int, words * 4 * 5000)
    }
  }

  func testEveryRowHoldsTheNumbersOfTheContract() throws {
    let report = try bench(["--count", "1e3", "40000", "--scalar", "double", "float", "--threads", "1", "2"])
    let rows = try XCTUnwrap(report["rows"] as? [[String: Any]])
    // Of Floats also steps in half precision.
    XCTAssertEqual(rows.count, 8 * BenchOperation.all.count - 4 * BenchOperation.half.count)
    for row in rows {
      for name in ["secondsMin", "secondsMedian", "limitSecondsMin", "limitSecondsMedian", "limitRatio"] {
        XCTAssertGreaterThan(try XCTUnwrap(row[name] as? Double, name), 0)
      }
      let (ours, limit) = (row["secondsMin"] as! Double, row["limitSecondsMin"] as! Double)
      XCTAssertEqual(row["limitRatio"] as! Double, limit / ours, accuracy: 1e-9 * limit / ours)
      XCTAssertGreaterThanOrEqual(row["secondsMedian"] as! Double, ours)
      XCTAssertEqual(row["plain"] == nil, row["plainRatio"] == nil)
      XCTAssertEqual(row["storage"] == nil, row["wideRatio"] == nil)
    }
    XCTAssertEqual(rows.map { $0["scalar"] as? String }.first, "double")
    let bytes = Set(rows.filter { $0["operation"] as? String == "norm" }.compactMap { $0["bytes"] as? Int })
    XCTAssertEqual(bytes, [4_000, 8_000, 160_000, 320_000])
  }

  func testWritesTheRowsAsCSV() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(UUID()).csv")
    defer { try? FileManager.default.removeItem(at: file) }
    let run = try CommandRun(["bench", "--count", "2000", "--repeat", "1", "--csv", file.path])
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertTrue(run.output.contains("step (global norm, momentum 0.9)"), run.output)
    let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    XCTAssertEqual(lines.count, 1 + BenchOperation.all.count)
    let columns = lines[0].split(separator: ",").count
    for line in lines.dropFirst() {
      // The name is quoted and may hold commas; the rest begins with the comma behind it.
      let rest = try XCTUnwrap(line.dropFirst().split(separator: "\"", maxSplits: 1).last)
      XCTAssertEqual(rest.split(separator: ",", omittingEmptySubsequences: false).count, columns, String(line))
    }
  }

  func testGrowthTellsTheCostOfAParameter() throws {
    let report = try bench(["--growth", "--count", "1000", "100000"])
    let rows = try XCTUnwrap(report["rows"] as? [[String: Any]])
    let storages = [nil] + StepStorage.available.map(\.rawValue)
    XCTAssertEqual(rows.map { $0["storage"] as? String }, storages + storages)
    XCTAssertEqual(rows.prefix(storages.count).map { $0["count"] as? Int }, storages.map { _ in 1000 })
    let step = try bench(["--growth", "--count", "1000", "100000", "--rows", "step"])
    XCTAssertEqual(
      (step["rows"] as? [[String: Any]])?.compactMap { $0["count"] as? Int }, [1000, 100_000])
    for row in rows {
      let perParameter = row["nanosecondsPerParameter"] as! Double
      XCTAssertEqual(
        perParameter * Double(row["count"] as! Int) * 1e-9, row["secondsMin"] as! Double, accuracy: 1e-9)
      XCTAssertGreaterThan(row["firstStepSeconds"] as! Double, 0)
    }
  }

  func testWrongUsageExitsWith64() throws {
    for arguments in [
      ["--count", "0"], ["--count", "1.5"], ["--count", "many"], ["--model", "vgg"], ["--scalar", "half"],
      ["--clip", "all"], ["--threads", "0"], ["--repeat", "0"], ["--nesterov", "--momentum", "0"],
      ["--momentum", "-1"], ["--weight-decay", "nan"], ["--rows", "none"], ["--growth", "--model", "gpt2"],
      ["--growth", "--kernels", "blas"], ["--kernels", "mkl"], ["--no-report"],
      ["--growth", "--clip", "none"], ["--growth", "--one-pass"], ["--growth", "--clip", "value", "--no-report"],
      ["--growth", "--skip-too-large"], ["--growth", "--threads", "1", "2"],
      ["--scalar", "float", "float"], ["--one-pass", "--clip", "value"],
      ["--rows", "half", "--scalar", "double"],
    ] {
      let run = try CommandRun(["bench"] + arguments)
      XCTAssertEqual(run.status, 64, arguments.joined(separator: " "))
      XCTAssertEqual(run.output, "")
      XCTAssertFalse(run.errors.isEmpty)
    }
  }

  func testMoreThanTheMemoryHoldsIsToldBeforeAnythingRuns() throws {
    let run = try CommandRun(["bench", "--count", "1e15", "--json"])
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.output, "")
    XCTAssertTrue(run.errors.contains("1000000000000000 elements of float"), run.errors)
  }

  func testWhatTheMemoryDoesNotHoldCanBeLeftOut() throws {
    let report = try bench(["--count", "1000", "1e15", "--rows", "step", "--skip-too-large"])
    let rows = try XCTUnwrap(report["rows"] as? [[String: Any]])
    XCTAssertEqual(rows.compactMap { $0["count"] as? Int }, [1000])
    XCTAssertEqual(report["complete"] as? Bool, true)
    let run = try CommandRun(["bench", "--count", "1e15", "--skip-too-large"])
    XCTAssertEqual(run.status, 64)
    XCTAssertTrue(run.errors.contains("--skip-too-large leaves nothing to measure"), run.errors)
  }

  // MARK: Verification

  func testAWrongStepIsFound() throws {
    let memory = try BenchMemory<Float>(ParameterLayout(count: 5000), threads: 1)
    let settings = try StepSettings(BenchOperation(kind: .step, clip: .global, momentum: 0.9), memory)
    let right = try EngineStep(memory, settings)
    XCTAssertNoThrow(try BenchContest.verify(right, "right", memory, settings, "row", steps: 2))
    // Everything right but the very last element, which stays where it was.
    let wrong = ForgetfulStep(try EngineStep(memory, settings), memory)
    XCTAssertThrowsError(try BenchContest.verify(wrong, "forgetful", memory, settings, "row", steps: 2)) {
      XCTAssertTrue("\($0)".hasPrefix("row: forgetful: element 4999 is "), "\($0)")
    }
  }

  /// A BLAS whose nrm2 loses digits is told, and measured all the same.
  func testAFaultOfThePlainCallsIsToldAndEndsNothing() throws {
    let failure = BenchFailure(row: "row", contender: "OpenBLAS calls", cause: "element 3 is 1.0, expected 2.0")
    XCTAssertEqual(try BenchContest.fault { throw failure }, "element 3 is 1.0, expected 2.0")
    XCTAssertNil(try BenchContest.fault {})
    XCTAssertThrowsError(try BenchContest.fault { throw CancellationError() })

    let memory = try BenchMemory<Float>(ParameterLayout(count: 100), threads: 1)
    memory.fillGradients()
    let operation = BenchOperation(kind: .step, clip: .global, momentum: 0.9)
    var contest = try BenchContest.step(operation, memory, .best, row: "row")
    XCTAssertNil(contest.plainFault)
    contest.plainFault = failure.cause
    let times = BenchTimer.Times(seconds: [1])
    var report = BenchReport()
    report.rows = [BenchRow(operation, .count(100), memory, contest, [times, times, times])]
    XCTAssertEqual(report.cells[0][11], "1.00 s, wrong")
    XCTAssertEqual(
      report.faults,
      ["\(operation.name), 100 elements: the result of the plain calls is wrong: element 3 is 1.0, expected 2.0"])
  }

  func testEveryOperationPassesItsVerificationWithEveryKernel() throws {
    func layout(_ count: Int) throws -> ParameterLayout {
      try ParameterLayout([("a", [7]), ("b", [count]), ("c", [3, 1000]), ("d", [1])])
    }
    for operation in BenchOperation.all {
      for kernel in LimitKernel.available {
        try verify(operation, try BenchMemory<Float>(layout(4099), threads: 1), kernel)
        guard operation.exists(for: .double) else { continue }
        try verify(operation, try BenchMemory<Double>(layout(4099), threads: 1), kernel)
      }
      // Long enough for the engine to use both threads.
      let long = try BenchMemory<Float>(layout(70_001), threads: 2)
      XCTAssertEqual(long.team.count, 2)
      try verify(operation, long, .best)
    }
  }

  private func verify<S: LimitScalar>(
    _ operation: BenchOperation, _ memory: BenchMemory<S>, _ kernel: LimitKernel
  ) throws {
    let contest = try BenchContest.verified(operation, memory, kernel, row: operation.name)
    XCTAssertGreaterThan(contest.bytes, 0)
  }
}
