import Foundation
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

final class NormCommandTests: XCTestCase {
  private func json(_ arguments: [String], in folder: TensorFolder<Float>) throws -> [String: Any] {
    let run = try CommandRun(["norm", "--json"] + arguments, in: folder.url)
    XCTAssertEqual(run.status, 0, run.errors)
    return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
  }

  // MARK: Elements that are not finite

  private func withBadTensors(_ body: (TensorFolder<Float>) throws -> Void) throws {
    try TensorFolder<Float>.with { folder in
      try folder.write(
        "s", ["a": [1, -.infinity, 2, .nan, .nan], "b": [3, 4], "c": [0, 0, .nan], "d": [.infinity]])
      try body(folder)
    }
  }

  func testTensorsThatAreNotFiniteAreAlwaysListed() throws {
    try withBadTensors { folder in
      for arguments in [[], ["--norm-type", "1"], ["--norm-type", "inf"], ["--norm-type", "0"], ["--threads", "1"]] {
        let output = try json(arguments + ["s"], in: folder)
        XCTAssertEqual(output["nonFiniteCount"] as? Int, 5)
        XCTAssertNil(output["tensors"])
        let list = try XCTUnwrap(output["nonFiniteTensors"] as? [[String: Any]])
        XCTAssertEqual(list.map { $0["name"] as? String }, ["a", "c", "d"], "\(arguments)")
        XCTAssertEqual(list.map { $0["nanCount"] as? Int }, [2, 1, 0], "\(arguments)")
        XCTAssertEqual(list.map { $0["infinityCount"] as? Int }, [1, 0, 1], "\(arguments)")
        XCTAssertEqual(list.map { $0["firstIndex"] as? Int }, [1, 2, 0], "\(arguments)")
        XCTAssertEqual(list.map { $0["firstValue"] as? String }, ["-inf", "nan", "inf"], "\(arguments)")
      }
    }
  }

  func testEveryTensorHasItsCounts() throws {
    try withBadTensors { folder in
      let rows = try XCTUnwrap(json(["s", "--per-tensor"], in: folder)["tensors"] as? [[String: Any]])
      XCTAssertEqual(rows.map { $0["nanCount"] as? Int }, [2, 0, 1, 0])
      XCTAssertEqual(rows.map { $0["infinityCount"] as? Int }, [1, 0, 0, 1])
      let text = try CommandRun(["norm", "s"], in: folder.url)
      XCTAssertEqual(
        text.output.split(separator: "\n").suffix(4),
        [
          "5 elements are not finite",
          "tensor 'a': 2 NaN, 1 infinite; the first, -inf, at index 1",
          "tensor 'c': 1 NaN, 0 infinite; the first, nan, at index 2",
          "tensor 'd': 0 NaN, 1 infinite; the first, inf, at index 0",
        ])
    }
  }

  func testFiniteTensorsAreNotListed() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", ["a": [3, 4]])
      let output = try json(["s"], in: folder)
      XCTAssertEqual(output["nonFiniteTensors"] as? [[String: String]], [])
      XCTAssertEqual(try CommandRun(["norm", "s"], in: folder.url).output, "norm 5.0  0x1.4p+2\n")
    }
  }

  // MARK: Names that act on a terminal

  /// Ends of lines, escapes, a bell, a C1 escape, a line separator, a character that turns text round.
  private let hostile = "w\nError: forged\r\u{1B}[2J\u{7}\u{9B}31m\u{2028}\u{202E}\u{7F}é"
  private let hostileShown = #"w\nError: forged\r\u{1B}[2J\u{07}\u{009B}31m\u{2028}\u{202E}\u{7F}é"#

  func testNamesOfTensorsAreShownEscaped() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", [hostile: [3, 4]])
      try folder.write("bad", [hostile: [3, .nan]])
      let rows = try CommandRun(["norm", "s", "--per-tensor"], in: folder.url).output
      XCTAssertEqual(rows, "\(hostileShown)  2 elements  norm 5.0\nnorm 5.0  0x1.4p+2\n")
      let runs = try [
        CommandRun(["norm", "bad"], in: folder.url).output,
        CommandRun(["clip", "--gradients", "bad", "--output", "o"], in: folder.url).errors,
        step("s", "bad", in: folder), step("s", "other", in: folder),
      ]
      for text in runs {
        XCTAssertTrue(text.contains("'\(hostileShown)'"), text)
        XCTAssertFalse(text.split(separator: "\n").dropFirst().contains { $0.hasPrefix("Error:") }, text)
      }
    }
  }

  private func step(_ parameters: String, _ gradients: String, in folder: TensorFolder<Float>) throws -> String {
    try folder.write("other", [hostile: [3, 4, 5]])
    let run = try CommandRun(
      [
        "step", "--parameters", parameters, "--gradients", gradients, "--learning-rate", "1", "--output-parameters",
        "o",
      ], in: folder.url)
    XCTAssertEqual(run.status, 1)
    return run.errors
  }

  func testJSONHasTheNameItself() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", [hostile: [3, 4]])
      let rows = try json(["s", "--per-tensor"], in: folder)["tensors"] as? [[String: Any]]
      XCTAssertEqual(rows?.first?["name"] as? String, hostile)
    }
  }

  func testArgumentsAreShownEscaped() throws {
    try TensorFolder<Float>.with { folder in
      let badData: [[String]] = [
        ["norm", "x\(hostile)"], ["info", "x\(hostile)"], ["train", "--resume", hostile],
        ["step", "--config", hostile, "--parameters", "s", "--gradients", "s", "--output-parameters", "o"],
      ]
      let badUsage: [[String]] = [
        ["norm", "s", "--threads", hostile], ["norm", "s", "--algorithm=\(hostile)"],
        ["norm", "s", "--x\(hostile)"], ["x\(hostile)"], ["validate", "--scalar", hostile],
      ]
      for arguments in badData + badUsage {
        let status: Int32 = badData.contains(arguments) ? 1 : 64
        let run = try CommandRun(arguments, in: folder.url)
        XCTAssertEqual(run.status, status, run.errors)
        XCTAssertTrue(run.errors.contains(#"\nError: forged\r\u{1B}[2J\u{07}"#), run.errors)
        XCTAssertFalse(
          run.errors.unicodeScalars.contains { "\u{1B}\u{7}\r\u{9B}\u{2028}\u{202E}\u{7F}".unicodeScalars.contains($0) }
        )
        XCTAssertFalse(run.errors.split(separator: "\n").dropFirst().contains { $0.hasPrefix("Error:") }, run.errors)
      }
    }
  }

  func testATableEscapesItsCells() {
    XCTAssertEqual(TextTable.text(["a"], [["x\ny"]], leftColumns: [0]), "a\nx\\ny")
  }
}
