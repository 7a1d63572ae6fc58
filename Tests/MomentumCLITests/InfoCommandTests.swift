import ArgumentParser
import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum
@testable import MomentumCLI

final class InfoCommandTests: XCTestCase {
  /// The caller has not chosen the kernels.
  private let fresh: [String: String?] = ["OPENBLAS_CORETYPE": nil]

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

  // MARK: The choice of kernels

  func testTheKernelsSuitTheProcessor() throws {
    let blas = try blas(fresh)
    XCTAssertNil(blas["recommendedCoreType"])
    XCTAssertNil(blas["coreTypeRefusal"])
    let chosenBy = try XCTUnwrap(blas["coreTypeChosenBy"] as? String)
    XCTAssertTrue(["library", "momentum"].contains(chosenBy), chosenBy)
    XCTAssertEqual(blas["coreTypeBefore"] != nil, chosenBy == "momentum")
  }

  func testTheCallersChoiceOfKernelsStands() throws {
    let coreType = try XCTUnwrap(blas(fresh)["coreType"] as? String)
    // An empty choice is one, too: OpenBLAS then goes by the features of the processor.
    for wanted in [coreType, ""] {
      let run = try blas(["OPENBLAS_CORETYPE": wanted])
      if wanted != "" { XCTAssertEqual(run["coreType"] as? String, coreType) }
      XCTAssertEqual(run["coreTypeChosenBy"] as? String, "environment")
    }
  }

  #if os(Linux)
    /// The loader is the program that runs then.
    func testStartsThroughTheLoader() throws {
      #if arch(arm64)
        let loader = "/lib/ld-linux-aarch64.so.1"
      #else
        let loader = "/lib64/ld-linux-x86-64.so.2"
      #endif
      // The caller's choice of kernels would stand.
      let script = "unset OPENBLAS_CORETYPE; \(loader) \"$(command -v momentum)\" info --json"
      let run = try CommandRun(script: script, in: FileManager.default.temporaryDirectory)
      XCTAssertEqual(run.status, 0, run.errors)
      let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
      let blas = (object?["machine"] as? [String: Any])?["blas"] as? [String: Any]
      XCTAssertNil(blas?["recommendedCoreType"])
      XCTAssertEqual(blas?["threads"] as? Int, 1)
      XCTAssertEqual(blas?["threadsChosenBy"] as? String, "momentum")
    }
  #endif

  func testTellsWhichLibraryItIsAndHowItRounds() throws {
    let blas = try blas(fresh)
    XCTAssertEqual(blas["integerBits"] as? Int, 32)
    XCTAssertTrue((blas["file"] as? String)?.hasPrefix("/") ?? false, "\(blas)")
    XCTAssertTrue(["fused", "separate"].contains(blas["axpyRounding"] as? String), "\(blas)")
    for error in ["floatSumError", "doubleSumError"] { XCTAssertGreaterThan(blas[error] as? Double ?? .nan, 0) }
    XCTAssertNotNil(blas["warnings"] as? [String])
  }

  // MARK: A self-check that fails

  func testALibraryThatIsRefusedIsNotChecked() {
    let check = InfoCommand.SelfCheckReport(refusal: "it counts with 64-bit integers")
    XCTAssertFalse(check.passed)
    XCTAssertEqual(check.failureCount, 0)
    XCTAssertEqual(check.summary, "not run: it counts with 64-bit integers")
  }

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
