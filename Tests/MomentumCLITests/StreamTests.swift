import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

/// Files of tensors that go to standard output, and paths that are no files.
final class StreamTests: XCTestCase {
  private func withFiles(_ body: (TensorFolder<Float>) throws -> Void) throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("p", ["a": [1, 2], "b": [3]])
      try folder.write("g", ["a": [3, 0], "b": [4]])
      try body(folder)
    }
  }

  private let step = "momentum step --parameters p --gradients g --learning-rate 1 --output-parameters"

  func testOneFileGoesToStandardOutput() throws {
    try withFiles { folder in
      for name in ["-", "/dev/stdout", "/dev/fd/1"] {
        for output in ["| cat > piped", "> piped"] {
          let clip = try CommandRun(
            script: "momentum clip --gradients g --clip-global-norm 2.5 --output \(name) \(output)", in: folder.url)
          XCTAssertEqual(clip.status, 0, clip.errors)
          XCTAssertEqual(clip.errors, "norm 5.0, clipped by 0.5\n")
          XCTAssertEqual(try folder.read("piped"), ["a": [1.5, 0], "b": [2]])

          let step = try CommandRun(script: "\(step) \(name) --json \(output)", in: folder.url)
          XCTAssertEqual(step.status, 0, step.errors)
          XCTAssertNotNil(try JSONSerialization.jsonObject(with: Data(step.errors.utf8)) as? [String: Any])
          XCTAssertEqual(try folder.read("piped"), ["a": [-2, 2], "b": [-1]])
        }
      }
      XCTAssertFalse(folder.has("-"))
      // Another way to write it to a file of that name.
      _ = try CommandRun(script: "\(step) ./-", in: folder.url)
      XCTAssertTrue(folder.has("-"))
    }
  }

  /// Nothing is printed there either when there turns out to be nothing to write.
  func testAveragesOfExamplesGoToStandardOutput() throws {
    try withFiles { folder in
      let clip = "momentum clip --per-example --clip-global-norm 1 --output - --gradients"
      try folder.write("e", ["a": [3, -4]])
      let average = try CommandRun(script: "\(clip) e > piped", in: folder.url)
      XCTAssertEqual(average.status, 0, average.errors)
      XCTAssertEqual(average.errors, "2 examples, norms 3.0 to 4.0, 2 clipped\n")
      XCTAssertEqual(try folder.read("piped"), ["a": [0]])
      try folder.write("e", ["a": [3, .nan]])
      let skipped = try CommandRun(script: "\(clip) e --non-finite skip", in: folder.url)
      XCTAssertEqual(skipped.status, 0, skipped.errors)
      XCTAssertEqual(skipped.output, "")
      XCTAssertTrue(skipped.errors.contains("SKIPPED, nothing written"), skipped.errors)
    }
  }

  func testALostFileIsAnError() throws {
    try withFiles { folder in
      for (redirection, code) in [("> /dev/full", ENOSPC), (">&-", EBADF)] {
        let run = try CommandRun(script: "\(step) - \(redirection)", in: folder.url)
        XCTAssertEqual(run.status, 1)
        XCTAssertEqual(run.errors, "Error: cannot write to standard output: \(String(cString: strerror(code)))\n")
      }
    }
  }

  func testAReaderThatLeavesEndsTheCommandQuietly() throws {
    try withFiles { folder in
      try folder.write("g", ["a": Array(repeating: 1, count: 1_000_000)])
      let script = "momentum clip --gradients g --output - | true; exit ${PIPESTATUS[0]}"
      let run = try CommandRun(script: script, in: folder.url)
      XCTAssertEqual(run.status, 128 + SIGPIPE)
      XCTAssertEqual(run.errors, "")
      let ignored = try CommandRun(script: "trap '' PIPE; \(script)", in: folder.url)
      XCTAssertEqual(ignored.status, 1)
      XCTAssertEqual(ignored.errors, "Error: cannot write to standard output: \(String(cString: strerror(EPIPE)))\n")
    }
  }

  func testStandardOutputTakesOneFile() throws {
    try withFiles { folder in
      for (arguments, words) in [
        ("\(step) - --output-velocity v", "--output-parameters is standard output, which takes one file"),
        ("\(step) o --output-velocity -", "--output-velocity is standard output, which takes one file"),
        ("\(step) - --output-state /dev/stdout", "--output-parameters is standard output, which takes one file"),
        ("momentum bench --csv -", "--csv is standard output, where the results go"),
      ] {
        let run = try CommandRun(script: arguments, in: folder.url)
        XCTAssertEqual(run.status, 64, run.errors)
        XCTAssertTrue(run.errors.contains(words), run.errors)
        XCTAssertEqual(run.output, "")
      }
      let folderNamed = try CommandRun(script: "momentum trajectory --output -", in: folder.url)
      XCTAssertEqual(folderNamed.status, 1)
      XCTAssertEqual(folderNamed.errors, "Error: -: is standard output, and no folder\n")
      XCTAssertFalse(folder.has("o") || folder.has("v") || folder.has("-"))
    }
  }

  #if os(Linux)
    func testATerminalTakesNoFile() throws {
      try withFiles { folder in
        // Part of util-linux, which every Linux has.
        let run = try CommandRun(
          script: "script --quiet --return --command 'momentum clip --gradients g --output -' /dev/null", in: folder.url
        )
        XCTAssertEqual(run.status, 64)
        XCTAssertTrue(run.output.contains("--output is standard output, and that is a terminal"), run.output)
      }
    }
  #endif

  func testStandardInputIsRefusedUnlessItIsAFile() throws {
    try withFiles { folder in
      let words = "is standard input, which cannot be mapped; expected the path of a file"
      for name in ["-", "/dev/stdin"] {
        for command in [
          "norm \(name)", "clip --output o --gradients \(name)",
          "step --parameters p --gradients \(name) --learning-rate 1 --output-parameters o",
          "step --parameters p --gradients g --state \(name) --learning-rate 1 --output-parameters o",
        ] {
          let run = try CommandRun(script: "cat g | momentum \(command)", in: folder.url)
          XCTAssertEqual(run.status, 1)
          XCTAssertEqual(run.errors, "Error: \(name): \(words)\n", command)
          XCTAssertFalse(folder.has("o"))
        }
      }
      XCTAssertEqual(
        try CommandRun(script: "momentum norm /dev/stdin < g", in: folder.url).output, "norm 5.0  0x1.4p+2\n")
      let config = try CommandRun(
        script: "\(step.replacing("--learning-rate 1", with: "--config -")) o", in: folder.url)
      XCTAssertEqual(config.errors, "Error: -: is no file; /dev/stdin is standard input\n")
    }
  }

  func testPathsThatAreNoFiles() throws {
    try withFiles { folder in
      for (command, status, words) in [
        ("norm ''", 64 as Int32, "argument 2, after 'norm', is empty; expected a name or a value"),
        ("clip --gradients g --output ''", 64, "argument 5, after '--output', is empty"),
        ("clip --gradients g --output=", 64, "'--output=' has no value after the '='"),
        ("norm link", 1, "Error: link: could not follow the link: No such file or directory\n"),
        ("clip --gradients g --output link", 1, "Error: link: "),
        ("norm missing", 1, "Error: missing: could not open it: No such file or directory\n"),
        ("norm d", 1, "Error: d: has no .safetensors file and no index; expected one of them"),
        ("clip --gradients d --output o", 1, "Error: d: has no .safetensors file and no index; expected one of them"),
        (
          "step --parameters d --gradients g --output-parameters o --learning-rate 1", 1,
          "Error: d: has no .safetensors"
        ),
      ] {
        let run = try CommandRun(
          script: "mkdir -p d; ln -sf nowhere link; LC_ALL=C momentum \(command)", in: folder.url)
        XCTAssertEqual(run.status, status, run.errors)
        XCTAssertTrue(run.errors.contains(words), run.errors)
      }
      XCTAssertFalse(folder.has("nowhere"))
      // In a folder a file keeps its name.
      assertSucceeds(try folder.run(["clip", "--gradients", "g", "--output", "d", "--clip-norm", "1"]))
      XCTAssertTrue(folder.has("d/g"))
    }
  }
}
