internal import CMomentumKernels
internal import Dispatch
internal import Synchronization

/// One thread of a ``WorkerPool``, and the protocol by which a caller offers it a share, takes the share back, or waits
/// for it.
final class Worker: Sendable {
  /// The states: `idle` is awake without a share, `posted` has a share to do, `running` does it, `awaited` does it
  /// while the caller sleeps until its end, `asleep` waits for a wake-up, `missing` has no thread.
  static let (idle, posted, running, awaited, asleep, missing) = (0, 1, 2, 3, 4, 5)

  /// The share that this thread does.
  let thread: Int
  let state = Atomic(Worker.idle)
  private let work = DispatchSemaphore(value: 0)
  private let end = DispatchSemaphore(value: 0)
  /// Keeps the states of two workers in different cache lines.
  private let padding = InlineArray<16, Int>(repeating: 0)

  /// The number of spins of a wait, which take a few microseconds, and of the yields after them, which take about a
  /// hundred; then the thread sleeps.
  private static let (spins, yields) = (256, 256)

  init(thread: Int) { self.thread = thread }

  // MARK: The caller's side

  /// Offers a share.
  func post() {
    if state.load(ordering: .relaxed) == Self.missing { return }
    if state.exchange(Self.posted, ordering: .acquiringAndReleasing) == Self.asleep { work.signal() }
  }

  var isAwake: Bool { state.load(ordering: .relaxed) == Self.idle }

  /// Wakes the thread without work.
  func wake() {
    if state.compareExchange(expected: Self.asleep, desired: Self.idle, ordering: .relaxed).exchanged { work.signal() }
  }

  /// Takes the share back if the worker has not begun it; true means that the caller has to do it.
  func takeBack() -> Bool {
    // Reads before it writes: usually the worker has begun, and taking the cache line away from it would delay its end.
    switch state.load(ordering: .acquiring) {
    case Self.missing: return true
    case Self.posted:
      return state.compareExchange(expected: Self.posted, desired: Self.idle, ordering: .acquiring).exchanged
    default: return false
    }
  }

  /// Waits for the end of a share that has begun.
  func wait() {
    var turn = 0
    while true {
      let now = state.load(ordering: .acquiring)
      if now != Self.running { return }
      if Self.pause(&turn) { continue }
      if state.compareExchange(expected: Self.running, desired: Self.awaited, ordering: .acquiring).exchanged {
        return end.wait()
      }
    }
  }

  // MARK: The worker's side

  /// Returns when a share has been offered and this worker has taken it.
  func waitForWork() {
    var turn = 0
    while true {
      if state.load(ordering: .relaxed) == Self.posted,
        state.compareExchange(expected: Self.posted, desired: Self.running, ordering: .acquiring).exchanged
      {
        return
      }
      if Self.pause(&turn) { continue }
      if state.compareExchange(expected: Self.idle, desired: Self.asleep, ordering: .relaxed).exchanged {
        work.wait()
        turn = 0
      }
    }
  }

  func finish() {
    if state.exchange(Self.idle, ordering: .releasing) == Self.awaited { end.signal() }
  }

  /// Waits a moment; false if it is time to sleep.
  private static func pause(_ turn: inout Int) -> Bool {
    turn += 1
    if turn <= spins {
      momentum_spin_hint()
      return true
    }
    guard turn <= spins + yields else { return false }
    Platform.yield()
    return true
  }
}
