/// What ranks must be able to do together for a ``RankExchange``: to add up words, and to find the largest.
///
/// With MPI that is `MPI_Allreduce` of `MPI_UINT64_T` with `MPI_SUM` and `MPI_MAX`; any other transport that has an
/// all-reduce of integers does as well. Addition of integers does not depend on its order, so neither do the bits.
public protocol RankWords {
  /// The number of this rank, from 0.
  var rank: Int { get }
  /// The number of ranks, at most 2²⁰.
  var rankCount: Int { get }

  /// Replaces every word by the sum of the words of all ranks, modulo 2⁶⁴. All ranks call it with equally many words.
  ///
  /// - Throws: An error if the ranks cannot meet.
  func sum(_ words: inout [UInt64]) throws(MomentumError)

  /// Replaces every word by the largest of the words of all ranks. All ranks call it with equally many words.
  ///
  /// - Throws: An error if the ranks cannot meet.
  func max(_ words: inout [UInt64]) throws(MomentumError)
}

extension RankWords {
  /// The words of the first rank that has some; `nil` if no rank has. All ranks call this.
  package func first(_ own: [UInt64]?) throws(MomentumError) -> [UInt64]? {
    let ownPlace = UInt64(rankCount - rank)
    var place = [own == nil ? 0 : ownPlace]
    try max(&place)
    guard place[0] > 0 else { return nil }
    let first = place[0] == ownPlace ? own ?? [] : []
    var count = [UInt64(first.count)]
    try sum(&count)
    var words = first.isEmpty ? Array(repeating: 0, count: Int(count[0])) : first
    try sum(&words)
    return words
  }
}

extension RankWords {
  /// The partial norms of all ranks together. All ranks call this, with partials of the same types.
  package func merge(_ partials: [NormPartial]) throws(MomentumError) -> [NormPartial] {
    let count = NormPartial.wordCount
    var words = partials.flatMap(\.words)
    // What is not to be added up is the last word of each.
    var maxima = stride(from: count - 1, to: words.count, by: count).map { words[$0] }
    for index in partials.indices { words[(index + 1) * count - 1] = 0 }
    try sum(&words)
    try max(&maxima)
    RankMessage.insert(maxima, into: &words)
    var merged: [NormPartial] = []
    for (index, partial) in partials.enumerated() {
      merged.append(try NormPartial(unchecked: partial, words: Array(words[index * count..<(index + 1) * count])))
    }
    return merged
  }
}
