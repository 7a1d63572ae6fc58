import Foundation
import XCTest

/// Compares the code in the documentation with the code that `DocumentationSnippets` runs, and looks for what the README
/// refers to.
final class DocumentationTests: XCTestCase {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  func testEverySampleIsRun() throws {
    let compiled = try Self.compiledSnippets()
    let published = try Self.publishedSnippets()
    XCTAssertGreaterThanOrEqual(published.count, 10)
    for (place, code) in published where !compiled.contains(code) {
      XCTFail("\(place): this code is in no test:\n\(code)")
    }
  }

  func testEverySnippetIsPublished() throws {
    let published = Set(try Self.publishedSnippets().map(\.code))
    for code in try Self.compiledSnippets() where !published.contains(code) {
      XCTFail("this code is in a test and in no documentation:\n\(code)")
    }
  }

  func testTheReadmeRefersToWhatExists() throws {
    let readme = try String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
    var paths = readme.matches(of: /\]\(([^)#]+)\)/).map { String($0.output.1) }.filter { !$0.contains("://") }
    XCTAssertGreaterThanOrEqual(paths.count, 3)
    paths += readme.matches(of: /Scripts\/[a-z-]+\.sh/).map { String($0.output) }
    for path in paths {
      XCTAssertTrue(
        FileManager.default.fileExists(atPath: Self.root.appendingPathComponent(path).path), "\(path) does not exist")
    }
  }

  func testTheTestsThatTheReadmeNamesExist() throws {
    let readme = try String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8)
    let named = Set(readme.matches(of: /`([A-Z][A-Za-z]+Tests)`/).map { String($0.output.1) })
    XCTAssertGreaterThanOrEqual(named.count, 15)
    let sources = Set(try Self.files("Tests", ["swift"]).map { ($0 as NSString).lastPathComponent })
    XCTAssertEqual(named.filter { !sources.contains("\($0).swift") }, [])
  }

  func testSnippetsAreTakenOutWhole() {
    XCTAssertEqual(
      Self.fenced("a\n```swift\nimport Momentum\n\nlet x = 1\n  f(x)\n```\n```sh\nls\n```"), ["let x = 1\n  f(x)"])
    XCTAssertEqual(Self.marked("  // snippet\n  let x = 1\n\n    f(x)\n  // end\n  g()"), ["let x = 1\n\n  f(x)"])
  }

  // MARK: - Where code stands

  /// The samples in the README, the articles and the doc comments of the library.
  private static func publishedSnippets() throws -> [(place: String, code: String)] {
    var result: [(String, String)] = []
    for place in try ["README.md"] + files("Sources/Momentum", ["md", "swift"]) {
      var text = try String(contentsOf: root.appendingPathComponent(place), encoding: .utf8)
      if place.hasSuffix(".swift") {
        let comments = text.split(separator: "\n").map { $0.drop { $0 == " " } }.filter { $0.hasPrefix("///") }
        text = comments.map { $0.dropFirst($0.hasPrefix("/// ") ? 4 : 3) }.joined(separator: "\n")
      }
      result += fenced(text).map { (place, $0) }
    }
    return result
  }

  /// The snippets of the tests, and the manifest of the package that Scripts/check-client.sh builds.
  private static func compiledSnippets() throws -> [String] {
    let tests = try files("Tests", ["swift"]).filter { $0.contains("/DocumentationSnippets") }
      .map { try String(contentsOf: root.appendingPathComponent($0), encoding: .utf8) }.joined(separator: "\n")
    let manifest = try String(
      contentsOf: root.appendingPathComponent("Tests/OutsideClient/Package.swift"), encoding: .utf8)
    // A client that is not part of this repository has it somewhere else.
    return marked(tests) + marked(manifest).map { $0.replacingOccurrences(of: "../..", with: "../swift-momentum") }
  }

  private static func files(_ folder: String, _ extensions: Set<String>) throws -> [String] {
    let paths = try FileManager.default.subpathsOfDirectory(atPath: root.appendingPathComponent(folder).path)
    return paths.filter { extensions.contains(($0 as NSString).pathExtension) }.sorted().map { "\(folder)/\($0)" }
  }

  // MARK: - Taking it out

  /// The Swift code in fences of a Markdown text, without imports at its head.
  private static func fenced(_ text: String) -> [String] {
    blocks(text, from: "```swift", until: "```").map { lines in
      lines.drop { $0.isEmpty || $0.hasPrefix("import ") }.joined(separator: "\n")
    }
  }

  /// The code between marks in a Swift source, without the indentation of its first line.
  private static func marked(_ source: String) -> [String] {
    blocks(source, from: "// snippet", until: "// end").map { lines in
      let indentation = lines.first?.prefix { $0 == " " }.count ?? 0
      return lines.map { $0.dropFirst(min(indentation, $0.count)) }.joined(separator: "\n")
    }
  }

  private static func blocks(_ text: String, from start: String, until end: String) -> [[Substring]] {
    var (blocks, current): ([[Substring]], [Substring]?) = ([], nil)
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let mark = line.drop { $0 == " " }
      if let lines = current {
        if mark == end { (blocks, current) = (blocks + [lines], nil) } else { current = lines + [line] }
      } else if mark == start {
        current = []
      }
    }
    return blocks
  }
}
