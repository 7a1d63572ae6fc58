import Foundation
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

/// Output that is lost is an error, whatever the command prints.
final class StandardOutputTests: XCTestCase {
  private let printing = [
    "norm s", "norm s --json", "norm s --per-tensor", "info", "info --json", "--help", "--version", "help norm",
    "step --help", "--generate-completion-script bash", "clip --gradients s --output o",
    "step --parameters s --gradients s --learning-rate 1 --output-parameters o",
    "validate --sweep --largest 10 --scalar float",
    "bench --count 1e3 --rows step --repeat 1", "",
  ]

  #if os(Linux)
    func testAFullDiskIsAnError() throws { try check("> /dev/full", ENOSPC) }
  #endif

  func testAClosedStreamIsAnError() throws {
    try check(">&-", EBADF)
  }

  private func check(_ redirection: String, _ code: Int32) throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", ["weight": [3, 4]])
      for arguments in printing {
        let script = "momentum \(arguments) \(redirection)"
        let run = try CommandRun(script: script, in: folder.url)
        XCTAssertEqual(run.status, 1, "\(script)\n\(run.errors)")
        let message = "Error: cannot write to standard output: \(String(cString: strerror(code)))\n"
        XCTAssertTrue(run.errors.hasSuffix(message), "\(script)\n\(run.errors)")
      }
    }
  }

  /// A file that is opened while a standard stream is closed must not get what is meant for the stream.
  func testClosedStreamsHarmNoFile() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", ["weight": [3, 4]])
      let run = try CommandRun(
        script:
          "momentum clip --gradients s --clip-global-norm 1 --output o <&- >&- 2>&-; momentum norm missing <&- >&- 2>&-",
        in: folder.url)
      XCTAssertEqual(run.status, 1)
      XCTAssertEqual(try folder.read("s"), ["weight": [3, 4]])
      XCTAssertEqual(try folder.read("o")["weight"]?.count, 2)
    }
  }

  /// As with other programs, nothing is said when the reader of a pipe has had enough.
  func testAReaderThatLeavesEndsTheCommandQuietly() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", Dictionary(uniqueKeysWithValues: (0..<20_000).map { ("tensor \($0)", [3, 4]) }))
      let run = try CommandRun(script: "momentum norm s --per-tensor | head -1; exit ${PIPESTATUS[0]}", in: folder.url)
      XCTAssertEqual(run.status, 128 + SIGPIPE, run.errors)
      XCTAssertEqual(run.errors, "")
      XCTAssertEqual(run.output.split(separator: "\n").count, 1, run.output)
      // Where the caller ignores the signal, it is an error like any other.
      let ignored = try CommandRun(
        script: "trap '' PIPE; momentum norm s --per-tensor | head -1; exit ${PIPESTATUS[0]}", in: folder.url)
      XCTAssertEqual(ignored.status, 1)
      XCTAssertEqual(
        ignored.errors, "Error: cannot write to standard output: \(String(cString: strerror(EPIPE)))\n")
    }
  }

  /// All of the command prints through the place that looks at errors.
  func testNothingElsePrints() throws {
    let folder = Checkout.root.appendingPathComponent("Sources/MomentumCLI")
    let files = try XCTUnwrap(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    var count = 0
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      count += text.matches(of: /(StandardOutput|JSONOutput)\.print\(/).count
      let rest = text.replacing(/((StandardOutput|JSONOutput)\.|func )print\(/, with: "")
      XCTAssertNil(rest.firstMatch(of: /\bprint\(|\bfputs\(|FileHandle\.standardOutput/), file.lastPathComponent)
    }
    XCTAssertGreaterThan(count, 10)
  }
}
