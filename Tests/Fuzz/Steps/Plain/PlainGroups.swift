/// Which group each tensor belongs to.
enum PlainGroups {
  static func membership(_ groups: [GroupSpec], of names: [String]) -> [Int?] {
    names.map { name in
      groups.firstIndex { group in group.patterns.contains { matches(Array($0)[...], Array(name)[...]) } }
    }
  }

  /// Patterns as in a shell: `*`, `?` and `[abc]`, with ranges.
  private static func matches(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    let rest = pattern.dropFirst()
    switch first {
    case "*": return matches(rest, name) || (!name.isEmpty && matches(pattern, name.dropFirst()))
    case "[":
      guard let end = rest.firstIndex(of: "]"), let character = name.first else { return false }
      let list = rest[..<end]
      let isListed =
        list.count == 3 && list[list.startIndex + 1] == "-"
        ? list.first! <= character && character <= list.last! : list.contains(character)
      return isListed && matches(rest[(end + 1)...], name.dropFirst())
    default: return !name.isEmpty && (first == "?" || first == name.first) && matches(rest, name.dropFirst())
    }
  }
}
