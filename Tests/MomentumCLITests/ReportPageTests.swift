import Foundation
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The pages for a browser: whole in one file, well-formed, and written by each command that reports.
final class ReportPageTests: XCTestCase {
  func testTextIsShownAsItIs() throws {
    let nasty = #"<script>a && "b"</script>"#
    var page = HTMLPage(title: nasty)
    page.heading(nasty)
    page.paragraph(nasty)
    page.findings([nasty])
    page.lines(nasty)
    page.files([(nasty, nasty)])
    page.table([nasty, "n"], [[nasty, "1"]], leftColumns: [0])
    let escaped = "&lt;script&gt;a &amp;&amp; &quot;b&quot;&lt;/script&gt;"
    XCTAssertFalse(page.text.contains(nasty))
    XCTAssertEqual(page.text.components(separatedBy: escaped).count - 1, 11)
    let found = try elements(page.text)
    XCTAssertEqual(found.filter { $0.name == "script" }.count, 1, "the page's own")
    XCTAssertEqual(found.filter { $0.name == "td" && $0.attributes["class"] == "number" }.count, 1)
  }

  func testPicturesKeepTheirIdentifiersApart() throws {
    let svg = """
      <?xml version="1.0"?>
      <!DOCTYPE svg>
      <svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
      <title>Gnuplot</title>
      <defs><circle id='dot'/><clipPath id="clip"/></defs><g id="plot_1" clip-path="url(#clip)"><use xlink:href='#dot'/></g></svg>

      """
    let (first, second) = (try InlineSVG(svg, number: 1).text, try InlineSVG(svg, number: 2).text)
    XCTAssertTrue(first.hasPrefix("<svg") && first.hasSuffix("</svg>"), first)
    for name in ["id='p1-dot'", "id=\"p1-clip\"", "id=\"p1-plot_1\"", "url(#p1-clip)", "href='#p1-dot'"] {
      XCTAssertTrue(first.contains(name), name)
    }
    XCTAssertFalse(second.contains("p1-"))
    XCTAssertFalse(first.contains("<title>"), "it would show under the pointer")
    XCTAssertThrowsError(try InlineSVG("<html/>", number: 1))
  }

  func testTrajectoryWritesAPage() throws {
    try withScratchFolder { folder in
      let path = folder.appendingPathComponent("r").path
      let arguments = [
        "trajectory", "--surfaces", "quadratic", "--learning-rate", "0.01", "--clip-global-norm", "2", "--output", path,
      ]
      XCTAssertEqual(try CommandRun(arguments).status, 0)
      let page = try checked(path, tables: 1)
      XCTAssertTrue(page.contains("momentum 0.9 reached it in "), page)
      XCTAssertTrue(page.contains("its gradient clipped to norm 2.0"), page)
      XCTAssertTrue(page.contains("--learning-rate 0.01 --clip-global-norm 2 "), page)
    }
  }

  func testBenchWritesAPage() throws {
    try withScratchFolder { folder in
      let path = folder.appendingPathComponent("r").path
      let arguments = ["bench", "--count", "1e3", "--count", "2e3", "--repeat", "1", "--plots", path]
      XCTAssertEqual(try CommandRun(arguments).status, 0)
      let page = try checked(path, tables: 1)
      XCTAssertTrue(page.contains("momentum bench --count 1e3"), page)
      XCTAssertTrue(page.contains("2000 parameters (float"), page)
    }
  }

  func testTrainWritesTheSamePageAgain() throws {
    try withScratchFolder { folder in
      var pages: [String] = []
      for name in ["a", "b"] {
        let path = folder.appendingPathComponent(name).path
        let arguments = [
          "train", "--seeds", "1", "--epochs", "1", "--hidden", "8", "--clippings", "none", "global", "--output", path,
        ]
        let run = try CommandRun(arguments)
        XCTAssertEqual(run.status, 0, run.errors)
        pages.append(try checked(path, tables: 2))
      }
      XCTAssertEqual(pages[0], pages[1])
      XCTAssertTrue(pages[0].contains("Without clipping, momentum at rate"), pages[0])
    }
  }

  func testAMissingGnuplotIsSaid() throws {
    try withScratchFolder { folder in
      let path = folder.appendingPathComponent("r").path
      let run = try CommandRun([
        "trajectory", "--surfaces", "quadratic", "--learning-rate", "0.01", "--output", path, "--gnuplot",
        "no-such-program",
      ])
      XCTAssertEqual(run.status, 0, run.errors)
      let page = try String(contentsOfFile: path + "/report.html", encoding: .utf8)
      XCTAssertTrue(page.contains(HTMLPage.escaped(Gnuplot.isMissing)))
      XCTAssertFalse(page.contains("<svg"))
    }
  }

  // MARK: - Reading a page

  /// A report's page: well-formed, with unique identifiers, links to files that exist, and nothing from elsewhere.
  private func checked(_ folder: String, tables: Int) throws -> String {
    let page = try String(contentsOfFile: folder + "/report.html", encoding: .utf8)
    let found = try elements(page)
    XCTAssertEqual(found.filter { $0.name == "table" }.count, tables)
    if Gnuplot() != nil { XCTAssertGreaterThan(found.filter { $0.name == "svg" }.count, 0) }
    let identifiers = found.compactMap { $0.attributes["id"] }
    XCTAssertEqual(Set(identifiers).count, identifiers.count, "identifiers occur twice")
    for element in found {
      XCTAssertNil(element.attributes["src"], element.name)
      guard let link = element.attributes["href"] ?? element.attributes["xlink:href"] else { continue }
      if link.hasPrefix("#") {
        XCTAssertTrue(identifiers.contains(String(link.dropFirst())), link)
      } else {
        XCTAssertEqual(element.name, "a")
        XCTAssertTrue(FileManager.default.fileExists(atPath: "\(folder)/\(link)"), link)
      }
    }
    return page
  }

  private struct Element {
    let name: String
    let attributes: [String: String]
  }

  /// All elements of a page; throws where it is not well-formed.
  private func elements(_ page: String) throws -> [Element] {
    final class Reader: NSObject, XMLParserDelegate {
      var elements: [Element] = []

      func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
      ) { elements.append(Element(name: name, attributes: attributes)) }
    }
    let (parser, reader) = (XMLParser(data: Data(page.utf8)), Reader())
    parser.delegate = reader
    guard parser.parse() else { throw try XCTUnwrap(parser.parserError) }
    return reader.elements
  }
}
