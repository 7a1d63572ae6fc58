internal import Dispatch
internal import Synchronization

/// A number of threads, and the way in which they share a vector: in static, contiguous ranges that start on tiles.
///
/// First touch, and the norm and the update of a step in two passes, use the same shares, so a thread works on the pages
/// that it touched first. A step in one pass shares its segments instead (``SpeculativePass``). Workers are not bound to
/// processors: that a thread stays near its pages is left to the system.
struct ThreadTeam: Sendable {
  /// The number of threads.
  let count: Int
  /// The number of threads while the workers are awake.
  let mostCount: Int
  /// The workers, which do all shares but the caller's; `nil` for a team of one. The reference is not counted, because
  /// the pool lives as long as the process. It is stored, because asking for the shared pool takes longer than handing
  /// over work.
  private unowned(unsafe) let pool: WorkerPool?

  /// The least share, in elements, for which a sleeping worker is worth its cost: between the steps of a training run
  /// the workers fall asleep, and waking one takes microseconds.
  private static let leastShare = 32_768
  /// The same for a worker that is awake, which starts in a fraction of a microsecond.
  private static let leastAwakeShare = 8192
  /// The share that is worth a thread that may be asleep: ``leastShare``, but for tests.
  private static let worthwhileCount = Atomic(leastShare)
  /// The smallest work that is shared between threads.
  static let leastShared = 2 * leastShare

  /// - Parameters:
  ///   - requested: The most threads to use.
  ///   - elements: The size of the work; small work is done by fewer threads.
  init(_ requested: Int, elements: Int) {
    count = max(1, min(requested, elements / Self.worthwhileCount.load(ordering: .relaxed)))
    mostCount = max(count, min(requested, elements / Self.leastAwakeShare, Machine.availableProcessors))
    pool = mostCount > 1 ? WorkerPool.shared : nil
  }

  /// Runs code for which another share is worth a thread, in all threads of the process: tests share small vectors among many.
  static func withWorthwhileCount<R, E: Error>(_ count: Int, _ body: () throws(E) -> R) throws(E) -> R {
    let before = worthwhileCount.exchange(count, ordering: .relaxed)
    defer { worthwhileCount.store(before, ordering: .relaxed) }
    return try body()
  }

  private init(all team: ThreadTeam) { (count, mostCount, pool) = (team.mostCount, team.mostCount, team.pool) }

  /// The team for work that begins now. Small work gets more threads if all its workers are awake, as they are while
  /// small steps follow one another. The results have the same bits for any number of threads.
  func assembled() -> ThreadTeam {
    guard count < mostCount, let pool, pool.areAwake(mostCount - 1) else { return self }
    return ThreadTeam(all: self)
  }

  /// The part of `0..<count` that belongs to one thread.
  func share(of thread: Int, count: Int) -> Range<Int> {
    guard self.count > 1 else { return 0..<count }
    let tiles = Tile.number(of: count)
    func start(_ thread: Int) -> Int {
      // At most 2⁴⁷ elements make at most 2³⁶ tiles, so the product with a number of threads stays in range.
      min(count, tiles * thread / self.count * Tile.count)
    }
    return start(thread)..<start(thread + 1)
  }

  /// The part of a range that belongs to one thread.
  func share(of thread: Int, in range: Range<Int>) -> Range<Int> {
    let own = share(of: thread, count: range.count)
    return range.lowerBound + own.lowerBound..<range.lowerBound + own.upperBound
  }

  /// Does all shares of some work; returns when all have ended.
  func run(_ work: some TeamWork) {
    if count == 1 { return work.run(thread: 0) }
    if let pool, pool.run(work, count: count) { return }
    // Another thread is using the workers, or this thread is one of them.
    DispatchQueue.concurrentPerform(iterations: count) { thread in
      EngineCall.runShare { work.run(thread: thread) }
    }
  }

  /// Runs `body` once for every thread and returns when all have ended.
  func run(_ body: @Sendable (_ thread: Int) -> Void) {
    if count == 1 { return body(0) }
    withoutActuallyEscaping(body) { run(ClosureWork(body: $0)) }
  }

  private struct ClosureWork: TeamWork {
    let body: @Sendable (Int) -> Void
    func run(thread: Int) { body(thread) }
  }
}
