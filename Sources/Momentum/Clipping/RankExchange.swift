/// The meeting place of owners that are the ranks of a distributed program; see ``NormExchange``.
///
/// ```swift
/// let exchange = RankExchange(world, elements: model.count)
/// let report = try optimizer.step(parameters: shards, gradients: gradients, exchange: exchange)
/// ```
///
/// In the usual case a meeting is one sum of ``headCount`` words over all ranks. Further sums follow only where a rank
/// has failed, where groups have limits, or where a maximum is asked for; whether they follow, all ranks read from the
/// first sum. So no rank waits for one that is elsewhere.
///
/// The first sum also shows whether all ranks are in the same place of the same calls. Each adds a hash h of its place,
/// and h². For P ranks the sums fulfil `P·Σh² = (Σh)²` only if all h are equal.
public struct RankExchange<Words: RankWords>: NormExchange {
  /// What the tensors of the ranks are.
  public enum Holding: Sendable, Hashable {
    /// Each rank holds other tensors, or other pieces of them.
    ///
    /// - of: The number of elements of the whole model. If what the ranks hold does not add up to it, because a tensor
    ///   is held twice or by nobody, all ranks throw ``MomentumError/countMismatch(what:count:expected:)``.
    case parts(of: Int)
    /// Each rank holds all tensors, with the same gradients. What they measure must have the same bits.
    case copies
  }

  /// The transport.
  public let words: Words
  /// What the tensors of the ranks are.
  public let holding: Holding

  /// Meets over a transport.
  public init(_ words: Words, holding: Holding) { (self.words, self.holding) = (words, holding) }

  /// Meets over a transport, where each rank holds other tensors of a model, or other pieces of them.
  ///
  /// - Parameters:
  ///   - words: The transport.
  ///   - elements: The number of elements of the whole model.
  public init(_ words: Words, elements: Int) { self.init(words, holding: .parts(of: elements)) }

  /// The number of words of a usual meeting.
  public static var headCount: Int { RankMessage.headCount }

  public func merge(_ message: inout NormMessage) throws(MomentumError) {
    let own = RankMessage(message, areCopies: holding == .copies)
    var head = own.head
    try words.sum(&head)
    let sums = RankSums(head)
    guard sums.ranks == words.rankCount else {
      throw .countMismatch(what: "ranks in a sum of words", count: sums.ranks, expected: words.rankCount)
    }
    if sums.failed > 0 { return message = NormMessage(at: message.point, failure: try firstFailure(message.failure)) }
    guard sums.agree else { return message.failure = NormMessage.ownersDiffer }
    if case .parts(let expected) = holding, sums.elements != expected {
      message.failure = .countMismatch(what: "the tensors of all ranks", count: sums.elements, expected: expected)
      return
    }
    guard holding != .copies else { return }

    var parts = sums.partials
    if !own.rest.isEmpty {
      var rest = own.rest
      try words.sum(&rest)
      parts += rest
    }
    if own.hasMaximum {
      var maxima = own.maxima
      try words.max(&maxima)
      RankMessage.insert(maxima, into: &parts)
    }
    message.elements = sums.elements
    for index in message.counts.indices { message.counts[index] = sums.counts[index] }
    for index in message.partials.indices {
      let start = index * NormPartial.wordCount
      message.partials[index] = try NormPartial(
        unchecked: message.partials[index], words: Array(parts[start..<start + NormPartial.wordCount]))
    }
  }

  /// The failure of the first rank that has failed. All ranks call this.
  private func firstFailure(_ own: MomentumError?) throws(MomentumError) -> MomentumError {
    let first = try words.first(own.map { ErrorWords($0).words }) ?? []
    return ErrorWords(words: first).error
      ?? .invalidSetting(
        name: "exchange", value: "of ranks whose words cannot be read", expected: "the same library on all ranks")
  }
}
