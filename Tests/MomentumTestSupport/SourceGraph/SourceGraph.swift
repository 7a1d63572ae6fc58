public import Foundation

/// What the files of a module refer to in each other, by their text alone.
///
/// It needs no build and no index. Names of types are found exactly; members as far as declarations tell the types of values, which is
/// nearly everywhere. Operators are not looked at.
public struct SourceGraph: Sendable {
  public let files: [SourceFile]
  /// What can be meant in other files only.
  public let references: [SourceReference]

  public init(_ files: [SourceFile], module: String) {
    self.files = files
    let index = SourceIndex(files, module: module)
    references = files.flatMap { file in
      ReferenceWalker(file, index).references.filter { reference in
        !reference.candidates.contains { $0.file == file.path }
      }
    }
  }

  /// The Swift files below a folder.
  public static func files(below folder: URL) throws -> [SourceFile] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".swift") }.sorted().map {
      SourceFile(path: $0, text: try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8))
    }
  }

  /// The files that each file refers to.
  public var edges: [String: Set<String>] {
    var edges: [String: Set<String>] = [:]
    for reference in references {
      let targets = Set(reference.candidates.map(\.file))
      if targets.count == 1 { edges[reference.file, default: []].formUnion(targets) }
    }
    return edges
  }

  /// The sets of files of which each refers to every other, directly or by way of others; the largest first.
  public var knots: [[String]] {
    let edges = edges
    var search = KnotSearch(edges: edges)
    for file in files { search.visit(file.path) }
    return search.knots.sorted { ($1.count, $0.first ?? "") < ($0.count, $1.first ?? "") }
  }
}

/// Strongly connected components (Tarjan, SIAM Journal on Computing 1, 1972).
private struct KnotSearch {
  let edges: [String: Set<String>]
  private(set) var knots: [[String]] = []
  private var order: [String: Int] = [:]
  private var lowest: [String: Int] = [:]
  private var stack: [String] = []
  private var onStack: Set<String> = []

  init(edges: [String: Set<String>]) { self.edges = edges }

  mutating func visit(_ file: String) {
    guard order[file] == nil else { return }
    let number = order.count
    (order[file], lowest[file]) = (number, number)
    stack.append(file)
    onStack.insert(file)
    for target in (edges[file] ?? []).sorted() {
      visit(target)
      if onStack.contains(target) { lowest[file] = min(lowest[file]!, lowest[target]!) }
    }
    guard lowest[file] == number, let start = stack.lastIndex(of: file) else { return }
    let knot = stack[start...].sorted()
    stack.removeSubrange(start...)
    onStack.subtract(knot)
    if knot.count > 1 { knots.append(knot) }
  }
}
