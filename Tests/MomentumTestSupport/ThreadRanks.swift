import Foundation
public import Momentum
import Synchronization

/// Threads of one process that play the ranks of a distributed program: their sums and maxima of words.
public final class ThreadRanks: @unchecked Sendable {  // its members are guarded by the condition
  public let count: Int
  /// The number of words in each sum so far, as the first rank saw them.
  public private(set) var sums: [Int] = []
  private let condition = NSCondition()
  private var waiting = 0
  private var round = 0
  private var total: [UInt64] = []
  private var result: [UInt64] = []

  public init(_ count: Int) { self.count = count }

  /// Runs `body` once for every rank, each on a thread of its own, and returns the results in the order of the ranks.
  public func run<R: Sendable>(_ body: @escaping @Sendable (Rank) -> R) -> [R] {
    let results = Mutex<[R?]>(Array(repeating: nil, count: count))
    let ended = DispatchSemaphore(value: 0)
    for rank in 0..<count {
      Thread.detachNewThread {
        let value = body(Rank(ranks: self, rank: rank))
        results.withLock { $0[rank] = value }
        ended.signal()
      }
    }
    for _ in 0..<count { ended.wait() }
    return results.withLock { $0.map { $0! } }
  }

  public struct Rank: RankWords {
    fileprivate let ranks: ThreadRanks
    public let rank: Int
    public var rankCount: Int { ranks.count }

    public func sum(_ words: inout [UInt64]) {
      if rank == 0 { ranks.sums.append(words.count) }
      ranks.meet(&words) { $0 &+ $1 }
    }
    public func max(_ words: inout [UInt64]) { ranks.meet(&words) { Swift.max($0, $1) } }
  }

  private func meet(_ words: inout [UInt64], _ combine: (UInt64, UInt64) -> UInt64) {
    condition.lock()
    defer { condition.unlock() }
    precondition(waiting == 0 || total.count == words.count, "ranks meet with different numbers of words")
    total = waiting == 0 ? words : zip(total, words).map(combine)
    waiting += 1
    let own = round
    if waiting == count {
      (result, waiting, round) = (total, 0, round + 1)
      condition.broadcast()
    } else {
      while round == own { condition.wait() }
    }
    words = result
  }
}
