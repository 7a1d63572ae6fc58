/// The rooms of a module: its folders, ground floor first. What lies in a room names nothing of a higher one.
public struct SourceRooms: Sendable {
  /// The names of the folders.
  public let names: [String]

  public init(names: [String]) { self.names = names }

  /// Reads the section "The rooms": those rows of a table or of a list that begin with a name in backticks.
  public init(article: String) throws(ArticleError) {
    let section = try ArticleSection("The rooms", of: article)
    names = section.lines.compactMap { line in
      line.prefixMatch(of: /(?:\||-|\d+\.) *`(\w+)`/).map { String($0.output.1) }
    }
    guard !names.isEmpty else {
      throw ArticleError(
        "the section '## \(section.title)' lists no room; expected rows such as | `Base` | what lives there |")
    }
    guard Set(names).count == names.count else {
      throw ArticleError("the section '## \(section.title)' lists a room twice: \(names.joined(separator: ", "))")
    }
  }

  /// The room of a file, its first folder; `nil` if it lies in none.
  public static func room(of path: String) -> String? {
    let parts = path.split(separator: "/")
    return parts.count > 1 ? String(parts[0]) : nil
  }

  /// How the list differs from the folders that there are.
  public func differences(from files: [SourceFile]) -> [String] {
    let folders = Set(files.compactMap { Self.room(of: $0.path) })
    return files.filter { Self.room(of: $0.path) == nil }.map { "\($0.path) lies in no room" }
      + folders.subtracting(names).sorted().map { "the folder \($0) is not in the list of rooms" }
      + names.filter { !folders.contains($0) }.map { "there is no folder for the room \($0)" }
  }

  /// A name of a higher room.
  public struct Offence: Hashable, Sendable, CustomStringConvertible {
    public let file: String
    public let line: Int
    public let name: String
    /// The file that declares it.
    public let target: String

    public var description: String {
      "\(file):\(line): names `\(name)` of the higher room \(SourceRooms.room(of: target) ?? "?"), declared in \(target)"
    }
  }

  /// Every reference from a room to a higher one. One that can mean several declarations counts if all of them are higher.
  public func offences(in graph: SourceGraph) -> [Offence] {
    let floor = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    func floorOf(_ path: String) -> Int? { Self.room(of: path).flatMap { floor[$0] } }
    return graph.references.compactMap { reference in
      guard let here = floorOf(reference.file) else { return nil }
      let floors = reference.candidates.map { floorOf($0.file) ?? -1 }
      guard floors.allSatisfy({ $0 > here }) else { return nil }
      return Offence(
        file: reference.file, line: reference.line, name: reference.name, target: reference.candidates[0].file)
    }
  }
}
