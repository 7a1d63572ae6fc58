import MomentumTestSupport
import XCTest

/// The fuzzer of steps finds what it is to find; a campaign is `Scripts/fuzz.sh steps`.
final class StepFuzzTests: XCTestCase {
  private func run(_ arguments: [String]) throws -> CommandRun {
    try CommandRun(["--seed", "1", "--elements", "120", "--jobs", "2"] + arguments, of: "MomentumStepFuzz")
  }

  func testTwinsAndThePlainLoopAgree() throws {
    let run = try run(["--scenarios", "15"])
    XCTAssertEqual(run.status, 0, run.output + run.errors)
    XCTAssertTrue(run.output.hasPrefix("seed 1\n") && run.output.hasSuffix("No differences.\n"), run.output)
  }

  func testEveryPlantedFaultIsFound() throws {
    // What a difference has to be about.
    let plants = [
      "bit": "threads against alone", "scale": "restored against alone", "coefficient": "clip coefficient",
      "momentum": "plain loop", "beta2": "plain loop", "matrix": "plain loop",
      "decay": "plain loop", "average": "plain loop, average", "loss": "plain loop", "refusal": "not taken",
    ]
    for (plant, cause) in plants {
      let run = try run(["--scenarios", "150", "--plant", plant])
      XCTAssertEqual(run.status, 1, "\(plant) is not found: \(run.output)")
      let line = run.output.split(separator: "\n").first { $0.hasPrefix("DIFFERENCE: seed ") }
      XCTAssertTrue(line?.contains(cause) == true, "\(plant) is found as: \(run.output)")
    }
  }

  func testAFindingIsRepeatedByItsSeed() throws {
    let first = try run(["--scenarios", "150", "--plant", "momentum"])
    let line = try XCTUnwrap(first.output.split(separator: "\n").first { $0.hasPrefix("DIFFERENCE: seed ") })
    let seed = try XCTUnwrap(line.split(whereSeparator: { !$0.isNumber }).first)
    let again = try CommandRun(
      ["--seed", "\(seed)", "--scenarios", "1", "--elements", "120", "--plant", "momentum"], of: "MomentumStepFuzz")
    XCTAssertTrue(again.output.contains(line), again.output)
  }

  func testWrongOptionsAreRefused() throws {
    for arguments in [["--minutes", "0"], ["--scenarios"], ["--plant", "none"], ["--what", "1"], ["--jobs", "0"]] {
      let run = try run(arguments)
      XCTAssertEqual(run.status, 64, "\(arguments)")
      XCTAssertTrue(run.errors.hasPrefix("error: "), run.errors)
    }
  }
}
