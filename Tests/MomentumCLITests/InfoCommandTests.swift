import ArgumentParser
import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumCLI

final class InfoCommandTests: XCTestCase {
  /// Neither the caller nor an earlier start of the command has chosen the kernels.
  private let fresh: [String: String?] = [Launch.coreTypeVariable: nil, Launch.coreTypeMark: nil]

  func testPrintsOneLineATopic() throws {
    let run = try CommandRun(["info"], environment: fresh)
    XCTAssertEqual(run.status, 0, run.errors)
    XCTAssertEqual(run.errors, "")
    let topics = run.output.split(separator: "\n").map { $0.prefix { $0 != " " } }
    XCTAssertEqual(topics.first, "momentum")
    XCTAssertEqual(topics.last, "self-check")
    XCTAssertTrue(run.output.contains("OpenBLAS"), run.output)
    XCTAssertTrue(run.output.contains("passed in"), run.output)
  }

  func testPrintsOneJSONObject() throws {
    let info = try info(fresh)
    let (machine, check) = (info["machine"] as? [String: Any], info["selfCheck"] as? [String: Any])
    XCTAssertEqual(machine?["momentumVersion"] as? String, MomentumVersion.current)
    XCTAssertGreaterThan(machine?["availableProcessorCount"] as? Int ?? 0, 0)
    XCTAssertEqual(check?["passed"] as? Bool, true)
    XCTAssertEqual(check?["failureCount"] as? Int, 0)
  }

  // MARK: The restart with faster kernels

  func testStartsAnewExactlyWhereThatHelps() throws {
    // The variable that marks a restart keeps the command from restarting: this is what OpenBLAS picks.
    let picked = try blas([Launch.coreTypeVariable: nil, Launch.coreTypeMark: "1"])
    XCTAssertEqual(picked["coreTypeChosenBy"] as? String, "openBLAS")
    let run = try blas(fresh)
    XCTAssertNil(run["recommendedCoreType"])
    if let better = picked["recommendedCoreType"] as? String {
      XCTAssertEqual(run["coreTypeChosenBy"] as? String, "restart")
      XCTAssertEqual((run["coreType"] as? String)?.lowercased(), better.lowercased())
    } else {
      XCTAssertEqual(run["coreTypeChosenBy"] as? String, "openBLAS")
      XCTAssertEqual(run["coreType"] as? String, picked["coreType"] as? String)
    }
  }

  func testTheCallersChoiceOfKernelsStands() throws {
    let picked = try blas([Launch.coreTypeVariable: nil, Launch.coreTypeMark: "1"])
    let coreType = try XCTUnwrap(picked["coreType"] as? String)
    let run = try blas([Launch.coreTypeVariable: coreType, Launch.coreTypeMark: nil])
    XCTAssertEqual(run["coreType"] as? String, coreType)
    XCTAssertEqual(run["coreTypeChosenBy"] as? String, "environment")
  }

  func testTheRestartKeepsArgumentsAndExitCode() throws {
    let run = try CommandRun(["info", "two words", "é"], environment: fresh)
    XCTAssertEqual(run.status, 64)
    XCTAssertEqual(run.output, "")
    XCTAssertTrue(run.errors.contains("2 unexpected arguments: 'two words', 'é'"), run.errors)
  }

  // MARK: A self-check that fails

  func testAFailedSelfCheckIsToldAndFails() throws {
    let failures = [33, 34].map {
      BLAS.SelfCheckFailure(
        routine: "axpy", scalar: "Float", length: $0, offset: 4, expected: 1, found: .nan, tolerance: 0.5)
    }
    let check = InfoCommand.SelfCheckReport(failures, time: .milliseconds(3))
    XCTAssertFalse(check.passed)
    XCTAssertEqual(check.failureCount, 2)
    XCTAssertEqual(check.firstFailures.map(\.length), [33])
    XCTAssertEqual(
      check.summary,
      "FAILED 2 times (axpy of Float); the first: axpy of Float, length 33, offset 4 bytes: "
        + "found nan, expected 1.0, off by at most 0.5")
    let report = InfoCommand.Report(machine: .current(), selfCheck: check)
    for arguments in [[], ["--json"]] {
      XCTAssertThrowsError(try InfoCommand.parse(arguments).show(report)) {
        XCTAssertEqual($0 as? ExitCode, .failure)
      }
    }
  }

  // MARK: The machine

  func testReadsTheSettingInBrackets() {
    XCTAssertEqual(MachineRecord.selectedSetting("always [madvise] never\n"), "madvise")
    XCTAssertNil(MachineRecord.selectedSetting("always never"))
  }

  func testReadsCachesUpToTheFirstThatIsMissing() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("caches-\(UUID())")
    defer { try? FileManager.default.removeItem(at: folder) }
    for (index, size) in [(0, "48K"), (1, "2048K"), (3, "1K")] {
      let cache = folder.appendingPathComponent("index\(index)")
      try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
      for (name, text) in [("level", "\(index + 1)"), ("type", "Unified"), ("size", size)] {
        try Data("\(text)\n".utf8).write(to: cache.appendingPathComponent(name))
      }
    }
    let caches = MachineRecord.caches(in: folder.path)
    XCTAssertEqual(caches.map(\.level), [1, 2])
    XCTAssertEqual(caches.map(\.type), ["Unified", "Unified"])
    XCTAssertEqual(caches.map(\.kilobytes), [48, 2048])
  }

  // MARK: -

  private func info(_ environment: [String: String?]) throws -> [String: Any] {
    let run = try CommandRun(["info", "--json"], environment: environment)
    XCTAssertEqual(run.status, 0, run.errors)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  private func blas(_ environment: [String: String?]) throws -> [String: Any] {
    let machine = try XCTUnwrap(info(environment)["machine"] as? [String: Any])
    return try XCTUnwrap(machine["blas"] as? [String: Any])
  }
}
