import Momentum

extension RankWords {
  /// The words of every rank, on every rank. All ranks call this.
  ///
  /// Words that several ranks have travel once: each rank tells a hash of its own, and the first of those that have the same one
  /// speaks for them.
  ///
  /// - Returns: The different words in the order of the first ranks that have them, and the position of each rank's.
  func all(_ own: [UInt64]) throws(MomentumError) -> (different: [[UInt64]], positions: [Int]) {
    var hash = WordHash()
    for word in own { hash.add(word) }
    var heads = [UInt64](repeating: 0, count: 2 * rankCount)
    (heads[2 * rank], heads[2 * rank + 1]) = (hash.value, UInt64(own.count))
    try sum(&heads)

    var known: [[UInt64]: Int] = [:]
    var (positions, starts, speakers): ([Int], [Int], [Int]) = ([], [0], [])
    for peer in 0..<rankCount {
      let head = Array(heads[2 * peer..<2 * peer + 2])
      if known[head] == nil {
        known[head] = speakers.count
        speakers.append(peer)
        starts.append(starts[starts.count - 1] + Int(head[1]))
      }
      positions.append(known[head] ?? 0)
    }
    var words = [UInt64](repeating: 0, count: starts[speakers.count])
    let position = positions[rank]
    if speakers[position] == rank { words.replaceSubrange(starts[position]..<starts[position + 1], with: own) }
    try sum(&words)
    return (speakers.indices.map { Array(words[starts[$0]..<starts[$0 + 1]]) }, positions)
  }
}
