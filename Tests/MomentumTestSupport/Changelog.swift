/// The article Versions, as a program reads it: version by version, newest first, with entries of four kinds.
public struct Changelog {
  /// What an entry tells, by the heading that it stands under.
  public enum Kind: String, CaseIterable {
    case added = "Added"
    case changed = "Changed"
    case fixed = "Fixed"
    case movedBits = "Moved bits"
  }

  public struct Release {
    /// Major, minor and patch number.
    public let number: [Int]
    /// The day of the release, `2026-11-28`, or `nil` before it.
    public let date: String?
    public let entries: [Kind: [String]]

    public var name: String { number.map(String.init).joined(separator: ".") }
  }

  public let releases: [Release]

  /// Reads what follows the overview, strictly: whatever is no heading, date or entry in its place is an error.
  public init(_ article: String) throws(ArticleError) {
    var releases: [Release] = []
    let lines = article.split(separator: "\n", omittingEmptySubsequences: false)
    guard let overview = lines.firstIndex(of: "## Overview") else { throw ArticleError("no '## Overview'") }
    var rest = lines[(overview + 1)...].drop { !$0.hasPrefix("## ") }
    while let heading = rest.first {
      let body = rest.dropFirst().prefix { !$0.hasPrefix("## ") }
      releases.append(try Self.release(heading, body))
      rest = rest[body.endIndex...]
    }
    self.releases = releases
  }

  private static func release(_ heading: Substring, _ body: ArraySlice<Substring>) throws(ArticleError) -> Release {
    let number = heading.dropFirst(3).split(separator: ".", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
    guard number.count == 3, heading == "## \(number.map(String.init).joined(separator: "."))" else {
      throw ArticleError("'\(heading)': expected '## MAJOR.MINOR.PATCH'")
    }
    let lines = body.filter { !$0.isEmpty }
    guard let status = lines.first else { throw ArticleError("'\(heading)' has no date and no entries") }
    let date = status.wholeMatch(of: /Released (\d{4}-\d{2}-\d{2})\./).map { String($0.output.1) }
    guard date != nil || status == "Not yet released." else {
      throw ArticleError("'\(heading)': '\(status)'; expected 'Released YYYY-MM-DD.' or 'Not yet released.'")
    }
    return Release(number: number, date: date, entries: try entries(lines.dropFirst(), of: heading))
  }

  private static func entries(
    _ lines: ArraySlice<Substring>, of heading: Substring
  ) throws(ArticleError) -> [Kind: [String]] {
    var (entries, current): ([Kind: [String]], Kind?) = ([:], nil)
    for line in lines {
      if line.hasPrefix("#") {
        guard line.hasPrefix("### "), let kind = Kind(rawValue: String(line.dropFirst(4))) else {
          throw ArticleError("'\(line)' under '\(heading)'; expected \(Kind.allCases.map { "### \($0.rawValue)" })")
        }
        guard entries.updateValue([], forKey: kind) == nil else {
          throw ArticleError("'\(line)' stands twice under '\(heading)'")
        }
        current = kind
      } else if let kind = current, line.hasPrefix("- ") {
        entries[kind]?.append(String(line.dropFirst(2)))
      } else if let kind = current, line.hasPrefix("  "), let last = entries[kind]?.indices.last {
        entries[kind]?[last] += " " + line.drop { $0 == " " }
      } else {
        throw ArticleError("'\(line)' under '\(heading)' is neither an entry nor a part of one")
      }
    }
    return entries
  }
}
