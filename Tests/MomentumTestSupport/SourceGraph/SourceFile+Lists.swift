extension SourceFile {
  /// The parts between the commas of a list between brackets.
  func items(_ open: Int, _ close: Int) -> [Range<Int>] {
    var (items, start, position): ([Range<Int>], Int, Int) = ([], open + 1, open + 1)
    while position < close {
      if tokens[position].is(",") {
        items.append(start..<position)
        start = position + 1
      }
      if tokens[position].is("<"), !tokens[position].followsSpace {
        position = TypeParser(file: self, position: position, end: close).closingAngle() ?? position
      }
      position = next(position)
    }
    if start < close { items.append(start..<close) }
    return items
  }

  /// The position after a token, or after a whole bracket.
  func next(_ position: Int) -> Int { max(partner[position] ?? position, position) + 1 }

  /// The labels of the items of a list, `_` for none.
  func argumentLabels(_ open: Int, _ close: Int) -> [String] {
    items(open, close).map { item in
      item.count > 1 && tokens[item.lowerBound + 1].is(":") ? tokens[item.lowerBound].text : "_"
    }
  }

  /// The labels of the arguments, if a call or a subscript begins here.
  func labels(ofListAt open: Int) -> [String]? {
    guard open < tokens.count, tokens[open].is("(") || tokens[open].is("["), !tokens[open].followsSpace,
      let close = partner[open]
    else { return nil }
    return argumentLabels(open, close)
  }
}
