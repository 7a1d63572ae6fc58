import Foundation
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

final class TrainCommandTests: XCTestCase {
  private let small = [
    "train", "--seeds", "1", "--epochs", "1", "--hidden", "4", "--batch", "64", "--clippings", "global", "--rules",
    "momentum",
  ]

  func testSaysWhenThereIsNoGnuplot() throws {
    try withScratchFolder { folder in
      let report = folder.appendingPathComponent("report").path
      let run = try CommandRun(small + ["--output", report, "--gnuplot", "/nowhere/gnuplot", "--json"])
      XCTAssertEqual(run.status, 0, run.errors)
      XCTAssertTrue(run.errors.contains(Gnuplot.isMissing), run.errors)
      let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
      XCTAssertEqual(object?["complete"] as? Bool, true)
      XCTAssertEqual((object?["pictures"] as? [Any])?.count, 0)
      let row = try XCTUnwrap((object?["comparison"] as? [[String: Any]])?.first)
      // One epoch with four units does not reach 90 %.
      XCTAssertEqual(row["epochsToFirstAccuracy"] as? String, "inf")
      XCTAssertTrue(FileManager.default.fileExists(atPath: report + "/runs/global-momentum-0.05-seed1.csv"))
      XCTAssertFalse(FileManager.default.fileExists(atPath: report + "/gradient-norm.svg"))

      // A finished comparison can be resumed: there is nothing left to do, and nothing changes.
      let summary = try Data(contentsOf: URL(fileURLWithPath: report + "/summary.csv"))
      let again = try CommandRun(["train", "--resume", report, "--gnuplot", "/nowhere/gnuplot"])
      XCTAssertEqual(again.status, 0, again.errors)
      XCTAssertEqual(try Data(contentsOf: URL(fileURLWithPath: report + "/summary.csv")), summary)
    }
  }

  /// The folder knows how gradients are kept; what was interrupted goes on with it.
  func testTrainsWithGradientsInHalfPrecision() throws {
    try withScratchFolder { folder in
      let report = folder.appendingPathComponent("report").path
      let run = try CommandRun(
        small + [
          "--gradient-type", "bf16", "--loss-scale", "dynamic", "--output", report, "--gnuplot", "/nowhere/gnuplot",
        ])
      XCTAssertEqual(run.status, 0, run.errors)
      let finding =
        "Gradients were multiplied by a loss scale that starts at 65536 and rounded to BFloat16; of all steps 0 were "
        + "skipped after an overflow."
      XCTAssertTrue(run.output.contains(finding), run.output)
      let page = try String(contentsOfFile: report + "/report.md", encoding: .utf8)
      XCTAssertTrue(page.contains(finding), page)
      let again = try CommandRun(["train", "--resume", report, "--gnuplot", "/nowhere/gnuplot", "--json"])
      XCTAssertEqual(again.status, 0, again.errors)
      let object = try JSONSerialization.jsonObject(with: Data(again.output.utf8)) as? [String: Any]
      XCTAssertEqual(object?["findings"] as? [String], [finding])
      XCTAssertEqual((object?["comparison"] as? [[String: Any]])?.first?["skippedSteps"] as? Int, 0)
    }
  }

  func testChoosesAFreeFolder() throws {
    try withScratchFolder { folder in
      for name in ["report", "report-2"] {
        let run = try CommandRun(small + ["--gnuplot", "/nowhere/gnuplot"], in: folder)
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder.appendingPathComponent(name + "/report.md").path))
      }
    }
  }

  func testWrongUsageExitsWith64() throws {
    let wrong = [
      ["--seeds", "0"], ["--momentum", "1"], ["--learning-rate", "inf"], ["--clip-norm", "-1"],
      ["--pixels-per-step", "3"],
      ["--plain-learning-rates", "0.1,,0.2"], ["--clippings", "global", "global"], ["--threads", "0"],
      ["--resume", "x", "--epochs", "3"], ["--resume", "x", "--output", "y"], ["--rules", "adam"],
      ["--gradient-type", "f64"], ["--loss-scale", "dynamic"], ["--gradient-type", "bf16", "--loss-scale", "0"],
      ["--gradient-type", "f16", "--loss-scale", "big"], ["--resume", "x", "--gradient-type", "bf16"],
      ["--resume", "x", "--loss-scale", "none"],
    ]
    for arguments in wrong { XCTAssertEqual(try CommandRun(["train"] + arguments).status, 64, "\(arguments)") }
  }

  func testBadDataNamesFileAndCauseInOneLine() throws {
    let run = try CommandRun(["train", "--resume", "/nowhere"])
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(run.output, "")
    let lines = run.errors.split(separator: "\n")
    XCTAssertEqual(lines.count, 1, run.errors)
    XCTAssertTrue(run.errors.contains("/nowhere") && run.errors.contains("holds no checkpoint"), run.errors)
  }

  /// The runs of ranks have other bits, so nothing goes on with them here.
  func testRefusesAReportOfRanks() throws {
    try withScratchFolder { folder in
      var options = TrainingOptions()
      options.microBatches = 33
      XCTAssertEqual(options.problem, "micro-batches is 33; expected 1 to the 32 images of a batch")
      options.microBatches = 8
      XCTAssertNil(options.problem)
      try TrainingCheckpoint(folder: folder).save(options)
      let run = try CommandRun(["train", "--resume", folder.path])
      XCTAssertEqual(run.status, 1)
      XCTAssertEqual(
        run.errors,
        "Error: \(folder.path): is a report of momentum-mpi train; expected one of momentum train\n")
    }
  }

  // MARK: Terminal

  func testProgressLine() {
    XCTAssertEqual(
      ProgressDisplay.line(done: 50, total: 200, unit: "steps", seconds: 10, doneBefore: 0, note: "a", bar: 8),
      "[##......]   25 %  50/200 steps  5.0 steps/s  0:30 left  a")
    XCTAssertEqual(
      ProgressDisplay.line(done: 200, total: 200, unit: "steps", seconds: 1, doneBefore: 100, note: "", bar: 0),
      "100 %  200/200 steps  100 steps/s  0:00 left")
    XCTAssertEqual(
      ProgressDisplay.line(done: 0, total: 200, unit: "steps", seconds: 0, doneBefore: 0, note: "", bar: 0),
      "  0 %  0/200 steps")
  }

  /// With gnuplot, both forms of a picture appear; a fault in the commands names the script and gnuplot's reason.
  func testDrawsWithGnuplotOrSaysWhatFailed() throws {
    try withScratchFolder { folder in
      let good = Gnuplot.Picture(name: "line", width: 300, height: 200, commands: "plot [0:1] x")
      let bad = Gnuplot.Picture(name: "bad", width: 300, height: 200, commands: "plot 'nowhere.csv'")
      try Gnuplot.writeScripts([good, bad], in: folder)
      XCTAssertNil(Gnuplot("/nowhere/gnuplot"))
      XCTAssertNil(Gnuplot("no-such-program-as-this"))
      guard let gnuplot = Gnuplot() else { return }
      XCTAssertEqual(try gnuplot.draw([good], in: folder), ["line.svg", "line.png"])
      let png = try Data(contentsOf: folder.appendingPathComponent("line.png"))
      XCTAssertEqual(png.prefix(4), Data([0x89, 0x50, 0x4E, 0x47]))
      let svg = try String(contentsOf: folder.appendingPathComponent("line.svg"), encoding: .utf8)
      XCTAssertTrue(svg.hasPrefix("<?xml") && svg.contains("</svg>"))
      XCTAssertThrowsError(try gnuplot.draw([bad], in: folder)) {
        XCTAssertTrue("\($0)".contains("bad.gnuplot: gnuplot failed:") && "\($0)".contains("nowhere.csv"), "\($0)")
      }
    }
  }
}
