/// The way of one step through the files: which function calls which, as the documentation lists it.
public struct StepWay: Sendable {
  /// A function on the way.
  public struct Stop: Hashable, Sendable {
    /// The path below the folder of the module.
    public let file: String
    /// For example `step(parameters:gradients:)`, or `ThreadTeam.run(_:)`.
    public let function: String
    /// Whether the way comes back to a function that waits for what it has called.
    public let isReturn: Bool
  }

  public let stops: [Stop]

  /// Reads the section "The way of a step": a numbered list of rows such as
  /// ``1. `Optimizer/Optimizer.swift`: `step(parameters:gradients:)` ``.
  ///
  /// A function is called by the one above it, or by one further up that waits for it. A row "Back in" such a place is a return
  /// after which nothing else is called in between.
  public init(article: String) throws(ArticleError) {
    let section = try ArticleSection("The way of a step", of: article)
    var stops: [Stop] = []
    for line in section.lines where line.prefixMatch(of: /\d+\.\s/) != nil {
      guard let row = line.prefixMatch(of: /(\d+)\. ([Bb]ack in )?`([^`]+\.swift)`: `([^`]+)`/) else {
        throw ArticleError(
          "the section '## \(section.title)': '\(line)' is no row; expected 1. `Folder/File.swift`: `function(label:)`")
      }
      guard Int(row.output.1) == stops.count + 1 else {
        throw ArticleError("the section '## \(section.title)': '\(line)' should be number \(stops.count + 1)")
      }
      stops.append(
        Stop(file: String(row.output.3), function: String(row.output.4), isReturn: row.output.2 != nil))
    }
    guard stops.count > 1 else { throw ArticleError("the section '## \(section.title)' lists no way") }
    self.stops = stops
  }

  /// The number of files that the way visits.
  public var fileCount: Int { Set(stops.map(\.file)).count }

  /// How often the next stop is in another room.
  public var roomChanges: Int {
    zip(stops, stops.dropFirst()).count { SourceRooms.room(of: $0.file) != SourceRooms.room(of: $1.file) }
  }

  /// Where the list is not true of the source: a function that does not exist, or that no function above calls while it waits,
  /// or a return to one that does not wait.
  public func problems(in files: [SourceFile]) -> [String] {
    var problems: [String] = []
    // The functions that wait, the innermost last.
    var waiting: [(stop: Stop, bodies: [Body])] = []
    for (index, stop) in stops.enumerated() {
      let place = "\(index + 1). \(stop.file): \(stop.function)"
      if stop.isReturn {
        guard
          let last = waiting.dropLast().lastIndex(where: {
            $0.stop.file == stop.file && $0.stop.function == stop.function
          })
        else {
          problems.append("\(place): nothing there waits for the function before")
          continue
        }
        waiting.removeSubrange((last + 1)...)
        continue
      }
      let bodies = Self.bodies(of: stop, in: files)
      if bodies.isEmpty {
        let exists = files.contains { $0.path == stop.file }
        problems.append(
          "\(place): \(exists ? "the file declares no such function with a body" : "there is no such file")")
      } else if !waiting.isEmpty {
        // The innermost function that waits and calls this one; those further in have returned.
        let caller = waiting.lastIndex { caller in
          caller.bodies.contains { body in bodies.contains { body.calls($0.declaration) } }
        }
        if let caller {
          waiting.removeSubrange((caller + 1)...)
        } else if waiting.last?.bodies.isEmpty == false {
          problems.append("\(place): no function above that still waits calls it")
        }
      }
      waiting.append((stop, bodies))
    }
    return problems
  }

  /// A function of a file, and what it does.
  private struct Body {
    let declaration: Declaration
    let file: SourceFile
    let tokens: Range<Int>

    /// Whether it names a function with labels that fit.
    func calls(_ called: Declaration) -> Bool {
      let name =
        called.kind == .initializer ? called.owner?.split(separator: ".").last.map(String.init) ?? "init" : called.name
      return tokens.contains { position in
        guard file.tokens[position].text == name, file.tokens[position].kind != .string,
          position + 1 < tokens.upperBound
        else { return false }
        var next = position + 1
        if file.tokens[next].is("<"),
          let close = TypeParser(file: file, position: next, end: tokens.upperBound).closingAngle()
        {
          next = close + 1
        }
        if called.kind == .initializer, file.tokens[next].is("."), next + 2 < tokens.upperBound,
          file.tokens[next + 1].is("init")
        {
          next += 2
        }
        if file.tokens[next].is("{") { return true }
        guard let labels = file.labels(ofListAt: next) else { return false }
        return called.accepts(labels)
      }
    }
  }

  /// The functions that a stop can mean: all overloads if it gives no labels.
  private static func bodies(of stop: Stop, in files: [SourceFile]) -> [Body] {
    guard let file = files.first(where: { $0.path == stop.file }),
      let match = stop.function.wholeMatch(of: /(?:([\w.]+)\.)?(\w+)(?:\(((?:\w+:)*)\))?/)
    else { return [] }
    let (owner, name, labels) = (match.output.1.map(String.init), String(match.output.2), match.output.3)
    return file.parts.compactMap { part in
      guard let declaration = part.declaration, let body = part.body, declaration.name == name,
        declaration.kind == .function || declaration.kind == .initializer
      else { return nil }
      if let owner, declaration.owner != owner, declaration.owner?.hasSuffix(".\(owner)") != true { return nil }
      if let labels, declaration.parameters.map({ $0.label + ":" }).joined() != labels { return nil }
      return Body(declaration: declaration, file: file, tokens: body)
    }
  }
}
