internal import Foundation

/// The tables of Conventions.md, which tests hold against what the library does.
public enum ConventionsArticle {
  /// The rows of the table in the article that has this header.
  public static func rows(below header: String) throws -> [String] {
    let article = Checkout.root.appendingPathComponent("Sources/Momentum/Documentation.docc/Conventions.md")
    let lines = try String(contentsOf: article, encoding: .utf8).split(
      separator: "\n", omittingEmptySubsequences: false
    ).map(String.init)
    guard let start = lines.firstIndex(of: header) else { return ["no table with the header \(header)"] }
    return Array(lines[(start + 2)...].prefix { $0.hasPrefix("|") })
  }
}
