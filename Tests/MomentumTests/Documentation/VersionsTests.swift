import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Programs read the article Versions too: its form is checked, and that it knows this version.
final class VersionsTests: XCTestCase {
  func testTheArticleHasItsForm() throws {
    let path = Checkout.root.appendingPathComponent("Sources/Momentum/Documentation.docc/Versions.md")
    let releases = try Changelog(String(contentsOf: path, encoding: .utf8)).releases
    XCTAssertEqual(releases.first?.name, MomentumVersion.current)
    XCTAssertGreaterThanOrEqual(releases.count, 2)
    for (newer, older) in zip(releases, releases.dropFirst()) {
      XCTAssertTrue(older.number.lexicographicallyPrecedes(newer.number), "\(newer.name) stands above \(older.name)")
      let date = try XCTUnwrap(older.date, "\(older.name) is not the newest, and has no date")
      XCTAssertLessThanOrEqual(date, newer.date ?? "9999", "\(newer.name) was released before \(older.name)")
    }
    for release in releases {
      XCTAssertFalse(release.entries.isEmpty, release.name)
      for (kind, entries) in release.entries {
        XCTAssertFalse(entries.isEmpty, "\(release.name), \(kind.rawValue)")
        XCTAssertEqual(entries.count, Set(entries).count, "an entry stands twice: \(release.name), \(kind.rawValue)")
        for entry in entries { XCTAssertTrue(".)".contains(entry.last ?? " "), "no sentence: \(entry)") }
      }
    }
  }

  func testEntriesAreReadWhole() throws {
    let releases = try Changelog(
      """
      # Versions

      ## Overview

      - What is here counts nothing.

      ## 10.2.0

      Not yet released.

      ### Moved bits

      - One, which goes
        on.
      - Two.

      ## 9.30.1

      Released 2026-01-02.

      ### Fixed

      - Three.
      """
    ).releases
    XCTAssertEqual(releases.map(\.number), [[10, 2, 0], [9, 30, 1]])
    XCTAssertEqual(releases.map(\.date), [nil, "2026-01-02"])
    XCTAssertEqual(releases.map(\.entries), [[.movedBits: ["One, which goes on.", "Two."]], [.fixed: ["Three."]]])
  }

  func testWhatIsOutOfPlaceIsNamed() {
    let date = "Released 2026-01-02."
    for (article, message) in [
      ("## 1.0", "'## 1.0': expected '## MAJOR.MINOR.PATCH'"),
      ("## 1.0.0-beta\n\(date)", "'## 1.0.0-beta': expected '## MAJOR.MINOR.PATCH'"),
      ("## 1.01.0\n\(date)", "'## 1.01.0': expected '## MAJOR.MINOR.PATCH'"),
      ("## 1.0.0", "'## 1.0.0' has no date and no entries"),
      ("## 1.0.0\nSoon.", "'## 1.0.0': 'Soon.'; expected 'Released YYYY-MM-DD.' or 'Not yet released.'"),
      (
        "## 1.0.0\n\(date)\n### News\n- A.",
        "'### News' under '## 1.0.0'; expected [\"### Added\", \"### Changed\", \"### Fixed\", \"### Moved bits\"]"
      ),
      ("## 1.0.0\n\(date)\n### Added\n### Added", "'### Added' stands twice under '## 1.0.0'"),
      ("## 1.0.0\n\(date)\n- A.", "'- A.' under '## 1.0.0' is neither an entry nor a part of one"),
      ("## 1.0.0\n\(date)\n### Added\nA.", "'A.' under '## 1.0.0' is neither an entry nor a part of one"),
    ] {
      XCTAssertThrowsError(try Changelog("## Overview\n\(article)")) { XCTAssertEqual("\($0)", message) }
    }
  }
}
