import ArgumentParser
import Foundation
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

/// Numbers that a `Double` does not hold, wherever the command takes one.
final class NumberOptionTests: XCTestCase {
  func testNumbersOutOfRangeAreRefused() {
    for text in ["1e-400", "-1e-400", "0.0001e-330", "2e-324", "0x1p-2000", "123456789e-500"] {
      XCTAssertThrowsError(try NumberText.double(text)) {
        XCTAssertEqual("\($0)", "\(text) is too small for a Double; the smallest above 0 is 5e-324")
      }
    }
    for text in ["1e400", "-1e400", "1e309", "0x1p2000", "179769313486231590e292"] {
      XCTAssertThrowsError(try NumberText.double(text)) {
        XCTAssertEqual("\($0)", "\(text) is too large for a Double; the largest is 1.7976931348623157e+308")
      }
    }
    XCTAssertThrowsError(try NumberText.double("x")) { XCTAssertEqual("\($0)", "expected a number") }
  }

  func testNumbersInRangeAreTheirValues() throws {
    for (text, value) in [
      ("0", 0.0), ("0e-400", 0), ("-0.000", -0.0), ("0x0p-2000", 0), ("00000e5", 0), ("4e-324", .leastNonzeroMagnitude),
      ("0x1p-1030", 0x1p-1030), ("1e308", 1e308), ("inf", .infinity), ("-INFINITY", -.infinity),
      ("+infinity", .infinity),
    ] {
      XCTAssertEqual(try NumberText.double(text), value, text)
    }
    XCTAssertEqual(try NumberText.doubles("1,inf,-2e-3"), [1, .infinity, -2e-3])
    XCTAssertThrowsError(try NumberText.doubles("1,1e-400"))
    XCTAssertThrowsError(try NumberText.doubles("1,,2"))
  }

  /// Every option of every command that takes numbers refuses these two, also those that are yet to come.
  func testEveryOptionRefusesThem() throws {
    var numbers = 0
    for command in MomentumCommand.configuration.subcommands {
      let name = try XCTUnwrap(command.configuration.commandName)
      for option in try Self.options(of: command) {
        // An option that takes any text, as the name of a file, is none that takes a number.
        func mistake(_ value: String) -> String {
          do {
            _ = try command.parseAsRoot(["--\(option)=\(value)"])
            return ""
          } catch { return String(describing: error) }
        }
        guard mistake("zzz").contains("unableToParseValue") else { continue }
        for (value, word) in [("1e-400", "small"), ("1e400", "large")] {
          let text = mistake(value)
          XCTAssertTrue(text.contains("unableToParseValue"), "\(name) --\(option) \(value): \(text)")
          if text.contains("\(value) is too \(word) for a Double") { numbers += 1 }
        }
      }
    }
    // Twice the options of type Double.
    XCTAssertGreaterThanOrEqual(numbers, 2 * 31)
  }

  /// A negative number is a value, and not the name of another option: what is refused is the number.
  func testEveryOptionTakesANegativeNumber() throws {
    // These take several values, up to the next option.
    let lists: Set = ["count", "model", "scalar", "threads", "matrices", "weights", "clippings", "surfaces"]
    var numbers = 0
    for command in MomentumCommand.configuration.subcommands {
      let name = try XCTUnwrap(command.configuration.commandName)
      for option in try Self.options(of: command) where !(lists.contains(option) && name == "bench") {
        func mistake(_ arguments: [String]) -> String {
          do {
            _ = try command.parseAsRoot(arguments)
            return ""
          } catch { return String(describing: error) }
        }
        // Not those of the values of a kind.
        guard mistake(["--\(option)=zzz"]).contains("unableToParseValue"),
          !mistake(["--\(option)=-3"]).contains("unableToParseValue"), !lists.contains(option) || option == "threads"
        else { continue }
        numbers += 1
        XCTAssertFalse(mistake(["--\(option)", "-3"]).contains("missingValue"), "\(name) --\(option)")
      }
    }
    XCTAssertGreaterThanOrEqual(numbers, 40)
  }

  /// The long names of the options of a command that take a value.
  private static func options(of command: any ParsableCommand.Type) throws -> [String] {
    let dump = command._dumpHelp()
    let tool = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(dump.utf8)) as? [String: Any])
    let arguments = try XCTUnwrap((tool["command"] as? [String: Any])?["arguments"] as? [[String: Any]])
    return arguments.filter { $0["kind"] as? String == "option" }.compactMap {
      ($0["preferredName"] as? [String: Any])?["name"] as? String
    }
  }

  func testTheCommandRefusesThem() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", ["a": [3, 4]])
      for value in ["1e-400", "1e400"] {
        let run = try CommandRun(
          ["clip", "--gradients", "s", "--output", "o", "--clip-global-norm", value], in: folder.url)
        XCTAssertEqual(run.status, 64)
        XCTAssertTrue(run.errors.contains("\(value) is too "), run.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder.path("o")))
      }
      let measured = try CommandRun(
        ["clip", "--gradients", "s", "--output", "o", "--clip-global-norm", "inf"], in: folder.url)
      XCTAssertEqual(measured.output, "norm 5.0\n")
      let help = try CommandRun(["train", "--help"], in: folder.url)
      XCTAssertTrue(help.output.contains("(default: 0.2,0.3,0.5,0.7)"), help.output)
    }
  }

  func testAFileOfSettingsSaysWhere() throws {
    try TensorFolder<Float>.with { folder in
      try folder.write("s", ["a": [3, 4]])
      func step(_ json: String) throws -> CommandRun {
        try Data(json.utf8).write(to: folder.url.appendingPathComponent("c"))
        return try CommandRun(
          ["step", "--config", "c", "--parameters", "s", "--gradients", "s", "--output-parameters", "o"],
          in: folder.url)
      }
      for (value, word) in [("1e-400", "small"), ("-1e400", "large")] {
        let run = try step("{\n\"rule\": {\n\"learningRate\": 1, \"momentum\": \(value)}}")
        XCTAssertEqual(run.status, 1)
        XCTAssertTrue(run.errors.hasPrefix("Error: c: line 3: \(value) is too \(word) for a Double; "), run.errors)
      }
      // Not a number, but a name.
      let name = try step(#"{"rule": {"learningRate": 1}, "groups": [{"name": "\" 1e-400", "patterns": ["a"]}]}"#)
      XCTAssertEqual(name.status, 0, name.errors)
    }
  }
}
