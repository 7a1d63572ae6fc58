/// A ``NormMessage`` as words that ranks add up.
///
/// The head has the same number of words in all meetings, whatever has happened to a rank: an all-reduce of different
/// numbers of words would hang, or be silently wrong.
struct RankMessage {
  private static let partialsInHead = 2
  fileprivate static let countsInHead = 2
  fileprivate static let firstPartial = 6 + countsInHead
  static let headCount = firstPartial + partialsInHead * NormPartial.wordCount

  /// The words that every meeting adds up.
  let head: [UInt64]
  /// The words of the partials that have no place in the head.
  let rest: [UInt64]
  /// The largest element of each partial, whose words are not to be added up.
  let maxima: [UInt64]
  let hasMaximum: Bool

  /// - Parameter areCopies: Whether all ranks must have measured the same.
  init(_ message: NormMessage, areCopies: Bool) {
    precondition(message.counts.count <= Self.countsInHead, "a message has more counts than the head has places")
    var partials: [UInt64] = []
    var maxima: [UInt64] = []
    for partial in message.partials {
      var words = partial.words
      maxima.append(words[NormPartial.wordCount - 1])
      words[NormPartial.wordCount - 1] = 0
      partials += words
    }
    let signature = Self.signature(message, areCopies ? partials + maxima : [])
    let square = UInt128(signature) * UInt128(signature)
    let counts = message.counts.map { UInt64($0) }
    var head: [UInt64] = [
      1, message.failure == nil ? 0 : 1, signature, UInt64(square & UInt128(Self.mask)),
      UInt64(square >> UInt128(Self.bits)), UInt64(message.elements),
    ]
    head += counts + Array(repeating: 0, count: Self.countsInHead - counts.count)
    head += partials.prefix(Self.partialsInHead * NormPartial.wordCount)
    head += Array(repeating: 0, count: Self.headCount - head.count)
    self.head = head
    rest = Array(partials.dropFirst(Self.partialsInHead * NormPartial.wordCount))
    self.maxima = maxima
    hasMaximum = message.partials.contains { $0.type == .infinity }
  }

  /// Puts the largest elements of all ranks into the words of partials; those of the head may be more than there are.
  static func insert(_ maxima: [UInt64], into partials: inout [UInt64]) {
    for (index, maximum) in maxima.enumerated() { partials[(index + 1) * NormPartial.wordCount - 1] = maximum }
  }

  /// The number of bits of a signature: the sums over 2²⁰ ranks of it and of the halves of its square fit in a word.
  fileprivate static let bits = 40
  private static let mask: UInt64 = 1 << 40 - 1

  /// A hash of the place of a message and of its form.
  private static func signature(_ message: NormMessage, _ content: [UInt64]) -> UInt64 {
    guard message.failure == nil else { return 0 }
    var hash = WordHash()
    hash.add(UInt64(message.point.step))
    hash.add(UInt64(message.point.meeting))
    hash.add(message.point.gradientFactor.significand.bitPattern)
    hash.add(UInt64(bitPattern: Int64(message.point.gradientFactor.exponent)))
    hash.add(UInt64(message.counts.count))
    hash.add(UInt64(message.partials.count))
    for partial in message.partials { partial.kind.forEach { hash.add($0) } }
    content.forEach { hash.add($0) }
    return hash.value & mask
  }
}

/// The sums of the heads of all ranks.
struct RankSums {
  private let words: [UInt64]

  init(_ words: [UInt64]) { self.words = words }

  var ranks: Int { Int(truncatingIfNeeded: words[0]) }
  var failed: UInt64 { words[1] }
  var elements: Int { Int(truncatingIfNeeded: words[5]) }
  var counts: [Int] { words[6..<6 + RankMessage.countsInHead].map { Int(truncatingIfNeeded: $0) } }
  var partials: [UInt64] { Array(words[RankMessage.firstPartial...]) }

  /// Whether all signatures are equal: the variance of the signatures is 0.
  var agree: Bool {
    let squares = UInt128(words[3]) + UInt128(words[4]) << UInt128(RankMessage.bits)
    return squares * UInt128(words[0]) == UInt128(words[2]) * UInt128(words[2])
  }
}
