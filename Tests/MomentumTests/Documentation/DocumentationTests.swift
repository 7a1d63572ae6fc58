import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Compares the code in the documentation with the code that `DocumentationSnippets` runs, and looks for what the README and
/// the articles refer to.
final class DocumentationTests: XCTestCase {
  private static let root = Checkout.root
  private static let catalogue = "Sources/Momentum/Documentation.docc"

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

  /// Files that the README links, scripts that any page names, and pictures of the articles.
  func testPagesReferToWhatExists() throws {
    var paths: Set<String> = []
    for (place, text) in try Self.pages() {
      let links = text.matches(of: /\]\(([^)#]+)\)/).map { String($0.output.1) }.filter { !$0.contains("://") }
      if place == "README.md" {
        XCTAssertGreaterThanOrEqual(links.count, 8)
        paths.formUnion(links)
      } else {
        paths.formUnion(links.map { "\(Self.catalogue)/Resources/\($0)" })
      }
      paths.formUnion(text.matches(of: /Scripts\/[a-z-]+\.sh/).map { String($0.output) })
    }
    XCTAssertGreaterThanOrEqual(paths.count, 18)
    for path in paths {
      XCTAssertTrue(
        FileManager.default.fileExists(atPath: Self.root.appendingPathComponent(path).path), "\(path) does not exist")
    }
  }

  func testTheTestsThatPagesNameExist() throws {
    let text = try Self.pages().map(\.text).joined(separator: "\n")
    let named = Set(text.matches(of: /\b([A-Z][A-Za-z]+Tests)\b/).map { String($0.output.1) })
    XCTAssertGreaterThanOrEqual(named.count, 25)
    let sources = Set(try Self.files("Tests", ["swift"]).map { ($0 as NSString).lastPathComponent })
    XCTAssertEqual(named.filter { !sources.contains("\($0).swift") }, [])
  }

  /// The second column of the table of features is code of this library.
  func testTheFeatureTableNamesWhatExists() throws {
    let rows = try Self.text("\(Self.catalogue)/Migration.md").split(separator: "\n")
      .drop { !$0.hasPrefix("| | Here |") }.prefix { $0.hasPrefix("|") }.dropFirst(2)
    XCTAssertGreaterThanOrEqual(rows.count, 30)
    let sources = try (Self.files("Sources/Momentum", ["swift"]) + Self.files("Sources/MomentumFiles", ["swift"]))
      .map(Self.text).joined(separator: "\n")
    let known = Set(sources.matches(of: /[A-Za-z]+/).map { String($0.output) })
    for row in rows {
      let names = row.split(separator: "|")[1].matches(of: /[A-Za-z]{2,}/).map { String($0.output) }
      XCTAssertFalse(names.isEmpty, "\(row)")
      XCTAssertEqual(names.filter { !known.contains($0) }, [], "\(row)")
    }
  }

  /// Words as `wc -w` counts them: a stranger reads so many in four minutes.
  func testTheReadmeIsShort() throws {
    XCTAssertLessThanOrEqual(try Self.text("README.md").split { $0.isWhitespace }.count, 1000)
  }

  func testTheStartPageListsEveryArticle() throws {
    let start = try Self.text("\(Self.catalogue)/Momentum.md")
    let articles = try Self.files(Self.catalogue, ["md"]).map { ($0 as NSString).lastPathComponent.dropLast(3) }
    XCTAssertGreaterThanOrEqual(articles.count, 11)
    XCTAssertEqual(articles.filter { $0 != "Momentum" && !start.contains("- <doc:\($0)>") }, [])
  }

  func testSnippetsAreTakenOutWhole() {
    XCTAssertEqual(
      Self.fenced("a\n```swift\nimport Momentum\n\nlet x = 1\n  f(x)\n```\n```sh\nls\n```"), ["let x = 1\n  f(x)"])
    XCTAssertEqual(Self.marked("  // snippet\n  let x = 1\n\n    f(x)\n  // end\n  g()"), ["let x = 1\n\n  f(x)"])
  }

  // MARK: - Where code stands

  /// The samples in the README, the articles and the doc comments of the library.
  private static func publishedSnippets() throws -> [(place: String, code: String)] {
    let sources = try files("Sources/Momentum", ["swift"]).map { place in
      let comments = try text(place).split(separator: "\n").map { $0.drop { $0 == " " } }.filter { $0.hasPrefix("///") }
      return (place: place, text: comments.map { $0.dropFirst($0.hasPrefix("/// ") ? 4 : 3) }.joined(separator: "\n"))
    }
    return try (pages() + sources).flatMap { page in fenced(page.text).map { (page.place, $0) } }
  }

  /// The README and the articles.
  private static func pages() throws -> [(place: String, text: String)] {
    try (["README.md"] + files(catalogue, ["md"])).map { ($0, try text($0)) }
  }

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// The snippets of the tests, and the manifest of the package that Scripts/check-client.sh builds.
  private static func compiledSnippets() throws -> [String] {
    let tests = try files("Tests", ["swift"]).filter { $0.contains("/DocumentationSnippets") }
      .map(text).joined(separator: "\n")
    let manifest = try text("Tests/OutsideClient/Package.swift")
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
