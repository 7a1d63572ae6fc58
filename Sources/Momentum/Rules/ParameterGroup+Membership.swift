// Which tensors belong to which group.
extension ParameterGroup {
  /// The position of each tensor's group, or `nil`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a pattern with a bracket that is not closed, and for a group
  ///   without a tensor, whose pattern is probably misspelled.
  static func membership(
    _ groups: [ParameterGroup], of layout: ParameterLayout
  ) throws(MomentumError) -> [Int?] {
    for group in groups { try group.checkPatterns() }
    let tensors = layout.tensors
    let membership = tensors.map { tensor in groups.firstIndex { $0.matches(tensor.name) } }
    for (position, group) in groups.enumerated() where !group.mayBeEmpty && !membership.contains(position) {
      var expected = "patterns of which one matches the name of a tensor"
      if let index = tensors.firstIndex(where: { group.matches($0.name) }), let owner = membership[index] {
        expected += " that is in no earlier group; '\(tensors[index].name)' is in group '\(groups[owner].name)'"
      } else if let example = tensors.first {
        expected += ", such as '\(example.name)'"
      }
      throw .invalidSetting(name: "group '\(group.name)'", value: "\(group.patterns)", expected: expected)
    }
    return membership
  }

  /// Whether a tensor belongs to the group if it is in no earlier one.
  func matches(_ tensor: String) -> Bool {
    var (hasPattern, isMatched) = (false, false)
    for pattern in patterns {
      guard pattern.utf8.first == UInt8(ascii: "!") else {
        hasPattern = true
        isMatched = isMatched || Platform.matches(tensor, pattern: pattern)
        continue
      }
      if Platform.matches(tensor, pattern: String(pattern.dropFirst())) { return false }
    }
    return isMatched || (!hasPattern && !patterns.isEmpty)
  }

  private func checkPatterns() throws(MomentumError) {
    for pattern in patterns where Self.hasOpenBracket(pattern) {
      throw .invalidSetting(
        name: "pattern", of: .group(name), value: "'\(pattern)'",
        expected: "a ] for every [, or \\[ for the bracket itself")
    }
  }

  /// Whether a list of characters is not closed. It would stand for the bracket itself, and so match nothing that was
  /// meant.
  private static func hasOpenBracket(_ pattern: String) -> Bool {
    let bytes = Array(pattern.utf8)
    var index = 0
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\\"): index += 2
      case UInt8(ascii: "["):
        // A ] that comes first, also behind a !, is one of the characters listed.
        var first = index + 1
        if first < bytes.count, [UInt8(ascii: "!"), UInt8(ascii: "^")].contains(bytes[first]) { first += 1 }
        guard let end = bytes.dropFirst(first + 1).firstIndex(of: UInt8(ascii: "]")) else { return true }
        index = end + 1
      default: index += 1
      }
    }
    return false
  }
}
