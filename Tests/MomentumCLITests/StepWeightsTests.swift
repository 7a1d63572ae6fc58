import XCTest

/// `momentum step --weights`: files of gradients that are means over different numbers of tokens.
final class StepWeightsTests: XCTestCase {
  private func step(_ folder: TensorFolder<Double>, _ arguments: String...) throws -> [Double]? {
    let run = try folder.run(
      ["step", "--parameters", "p", "--output-parameters", "out", "--learning-rate", "1"] + arguments)
    assertSucceeds(run)
    return try folder.read("out")["w"]
  }

  private func withFiles(_ body: (TensorFolder<Double>) throws -> Void) throws {
    try withScratchFolder { url in
      let folder = TensorFolder<Double>(url: url)
      try folder.write("p", ["w": [0]])
      try folder.write("one", ["w": [4]])
      try folder.write("three", ["w": [0]])
      try folder.write("none", ["w": [.nan]])
      try body(folder)
    }
  }

  func testTheMeanOverTokens() throws {
    try withFiles { folder in
      XCTAssertEqual(try step(folder, "--gradients", "one", "three"), [-2])
      XCTAssertEqual(try step(folder, "--gradients", "one", "three", "--weights", "1", "3"), [-1])
      XCTAssertEqual(try step(folder, "--gradients", "three", "one", "--weights", "3", "1"), [-1])
      XCTAssertEqual(try step(folder, "--gradients", "one", "none", "--weights", "5", "0"), [-4])
      XCTAssertEqual(
        try step(folder, "--gradients", "one", "three", "--weights", "2", "3", "--accumulate", "sum"), [-8])
      XCTAssertEqual(try step(folder, "--gradients", "one", "--weights", "3", "--accumulate", "sum"), [-12])
      XCTAssertEqual(try step(folder, "--gradients", "one", "--weights", "3", "--clip-global-norm", "2"), [-2])
      XCTAssertEqual(
        try step(folder, "--gradients", "one", "three", "--weights", "1", "3", "--steps", "3"), [-3])
    }
  }

  func testWhatIsRefused() throws {
    let table: [(weights: [String], text: String)] = [
      (["1"], "--weights has count 1; expected 2 as --gradients"),
      (["1", "2", "3"], "--weights has count 3; expected 2 as --gradients"),
      (["0", "0"], "--weights has zeros only; expected a positive number among them"),
      (["1", "inf"], "--weights has inf; expected finite numbers >= 0"),
      (["nan", "1"], "--weights has nan; expected finite numbers >= 0"),
    ]
    try withFiles { folder in
      for row in table {
        let run = try folder.run(
          [
            "step", "--parameters", "p", "--output-parameters", "out", "--learning-rate", "1", "--gradients", "one",
            "three", "--weights",
          ] + row.weights)
        assertFails(run, 64, row.text)
        XCTAssertFalse(folder.has("out"))
      }
    }
  }
}
