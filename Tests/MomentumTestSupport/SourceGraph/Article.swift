/// What is wrong with a list that tests read from the documentation.
public struct ArticleError: Error, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}

/// A section of an article, from its heading of the second level to the next one.
struct ArticleSection {
  let title: String
  let lines: [Substring]

  init(_ title: String, of article: String) throws(ArticleError) {
    let lines = article.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(of: "## \(title)"[...]) else {
      throw ArticleError("the architecture article has no section '## \(title)'")
    }
    self.title = title
    self.lines = Array(lines[(start + 1)...].prefix { !$0.hasPrefix("## ") })
  }
}
