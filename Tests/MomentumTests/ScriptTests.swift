import Foundation
import XCTest

/// Every script tells a person what it does, without doing it.
final class ScriptTests: XCTestCase {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  func testEveryScriptHelps() throws {
    let folder = Self.root.appendingPathComponent("Scripts")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sh") }.sorted()
    XCTAssertGreaterThanOrEqual(names.count, 10)
    for script in names.map({ "Scripts/\($0)" }) + [".ci/run"] {
      for option in ["--help", "-h"] {
        let (status, output) = try Self.run([script, option])
        XCTAssertEqual(status, 0, "\(script) \(option)")
        XCTAssertTrue(output.contains("Usage: \(script)"), "\(script) \(option) prints: \(output)")
      }
    }
  }

  func testAnUnknownArgumentIsRefused() throws {
    for script in ["check-client", "docs", "format", "fuzz", "make-digits", "make-reference", "setup", "test-large"] {
      let (status, output) = try Self.run(["Scripts/\(script).sh", "--no-such-option"])
      XCTAssertNotEqual(status, 0, script)
      XCTAssertTrue(output.contains("'--no-such-option'") && output.contains("--help"), "\(script) prints: \(output)")
    }
  }

  /// Runs a script from another folder than its own; status, and what it printed to either stream.
  private static func run(_ words: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = root.appendingPathComponent(words[0])
    process.arguments = Array(words.dropFirst())
    process.currentDirectoryURL = FileManager.default.temporaryDirectory
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
