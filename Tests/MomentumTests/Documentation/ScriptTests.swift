import Foundation
import MomentumTestSupport
import XCTest

/// Every script tells a person what it does, without doing it; and the programs in Python fit together.
final class ScriptTests: XCTestCase {
  private static let root = Checkout.root

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
    for script in [
      "check-client", "docs", "format", "fuzz", "make-digits", "make-reference", "setup", "soak", "test-large",
    ] {
      let (status, output) = try Self.run(["Scripts/\(script).sh", "--no-such-option"])
      XCTAssertNotEqual(status, 0, script)
      XCTAssertTrue(output.contains("'--no-such-option'") && output.contains("--help"), "\(script) prints: \(output)")
    }
  }

  /// Most of these programs need packages that tests do without, so nothing else would notice a name that has gone.
  func testPythonFilesImportWhatTheirNeighboursDefine() throws {
    var checked = 0
    for folder in ["Scripts/reference", "Benchmarks/peers"] {
      let path = Self.root.appendingPathComponent(folder)
      let names = try FileManager.default.contentsOfDirectory(atPath: path.path).filter { $0.hasSuffix(".py") }
      let texts = Dictionary(
        uniqueKeysWithValues: try names.map {
          ($0.dropLast(3), try String(contentsOf: path.appendingPathComponent($0), encoding: .utf8))
        })
      for (importer, text) in texts {
        for statement in text.matches(of: #/(?m)^from (\w+) import ([\w, ]+)$/#) {
          guard let module = texts[statement.output.1] else { continue }
          let defined = Set(module.matches(of: #/(?m)^(?:def |class )?(\w+)(?: =|: |\(|:$)/#).map(\.output.1))
          for name in statement.output.2.split(separator: ", ") {
            XCTAssertTrue(defined.contains(name), "\(folder)/\(importer).py: \(statement.output.1) has no \(name)")
            checked += 1
          }
        }
      }
    }
    XCTAssertGreaterThanOrEqual(checked, 60)
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
