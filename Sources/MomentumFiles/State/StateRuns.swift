/// A list of values as text, in which equal neighbours stand together behind their number: `998 a, 2 b`. So the states
/// of a million tensors that took the same steps take no more room than that of one.
enum StateRuns {
  /// The text of a list.
  ///
  /// - Parameter words: The text of a value, without commas.
  static func text<Value: Equatable>(of values: [Value], _ words: (Value) -> String) -> String {
    var runs: [String] = []
    var first = 0
    while first < values.count {
      let end = values[first...].firstIndex { $0 != values[first] } ?? values.count
      runs.append("\(end - first) \(words(values[first]))")
      first = end
    }
    return runs.joined(separator: ", ")
  }

  /// The list of a text; `nil` unless it has as many values as expected.
  ///
  /// - Parameter parse: The value of words, of which there is at least one.
  static func values<Value>(of text: String, count: Int, _ parse: ([Substring]) -> Value?) -> [Value]? {
    var values: [Value] = []
    values.reserveCapacity(count)
    for run in text.utf8.isEmpty ? [] : text.split(separator: ", ", omittingEmptySubsequences: false) {
      let words = run.split(separator: " ", omittingEmptySubsequences: false)
      // Compared before it is used: a damaged number must not cost memory.
      guard words.count > 1, let length = StateMetadata.count(String(words[0])), length >= 1,
        length <= count - values.count, let value = parse(Array(words[1...]))
      else { return nil }
      values.append(contentsOf: repeatElement(value, count: length))
    }
    return values.count == count ? values : nil
  }
}
