internal import CMomentumKernels
internal import Dispatch
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Work in shares, one a thread. A value, so that handing it over allocates nothing.
protocol TeamWork: Sendable {
  /// Does the share of one thread.
  func run(thread: Int)
}

extension TeamWork {
  fileprivate static func run(_ work: UnsafeRawPointer, thread: Int) {
    work.assumingMemoryBound(to: Self.self).pointee.run(thread: thread)
  }
}

/// Threads that wait for work: one for each processor but the caller's, started with the first work and kept.
///
/// A worker that has finished spins for some microseconds, then looks again after each yield for about a hundred, in which the
/// second pass of a step, or the next step of a loop of small ones, finds it; then it sleeps. The caller does its own share,
/// takes back the shares that no worker has begun, and only then waits: so it never waits for a thread that has yet to be
/// scheduled, on a machine with more threads than processors, or that does not exist, in a child process made by `fork`
/// (which does all the work on the calling thread). One caller has the workers at a time.
final class WorkerPool: @unchecked Sendable {  // the job is written by the caller that holds `isTaken`
  static let shared = WorkerPool(workers: Machine.availableProcessors - 1)

  private let workers: [Worker]
  private let isTaken = Atomic(false)
  /// How often the workers were found asleep when only those awake were wanted.
  private let sleepyCount = Atomic(0)
  private var job: (type: any TeamWork.Type, work: UnsafeRawPointer)?

  private init(workers count: Int) {
    workers = (0..<max(0, count)).map { Worker(thread: $0 + 1) }
    for worker in workers where !start(worker) { worker.state.store(Worker.missing, ordering: .relaxed) }
  }

  /// Does work on the caller's thread and as many workers as it has further shares.
  ///
  /// - Returns: Whether it was done: not if another caller has the workers, or there are none.
  func run(_ work: some TeamWork, count: Int) -> Bool {
    guard !workers.isEmpty, !isTaken.exchange(true, ordering: .acquiring) else { return false }
    defer { isTaken.store(false, ordering: .releasing) }
    withUnsafePointer(to: work) { pointer in
      job = (type(of: work), UnsafeRawPointer(pointer))
      let helpers = min(count - 1, workers.count)
      for helper in 0..<helpers { workers[helper].post() }
      pointer.pointee.run(thread: 0)
      // More shares than threads.
      for thread in helpers + 1..<max(count, helpers + 1) { pointer.pointee.run(thread: thread) }
      for helper in 0..<helpers where workers[helper].takeBack() { pointer.pointee.run(thread: helper + 1) }
      for helper in 0..<helpers { workers[helper].wait() }
    }
    return true
  }

  /// Whether some workers wait for work with open eyes.
  ///
  /// Wakes them if they do not, but not every time: it costs microseconds, and is worth them only if the next work comes soon.
  func areAwake(_ helpers: Int) -> Bool {
    guard helpers <= workers.count else { return false }
    for helper in 0..<helpers where !workers[helper].isAwake {
      if sleepyCount.wrappingAdd(1, ordering: .relaxed).newValue % 64 == 1 { workers[helper].wake() }
      return false
    }
    return true
  }

  fileprivate func serve(_ worker: Worker) -> Never {
    while true {
      worker.waitForWork()
      // Only now is the job known to be the one that this share belongs to.
      if let job { job.type.run(job.work, thread: worker.thread) }
      worker.finish()
    }
  }

  /// Starts a thread that ends with the process.
  private func start(_ worker: Worker) -> Bool {
    // Signals are for the threads of the program.
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

    let context = Unmanaged.passRetained(Context(pool: self, worker: worker))
    #if canImport(Darwin)
      var thread: pthread_t?
    #else
      var thread = pthread_t()
    #endif
    let failure = pthread_create(
      &thread, nil,
      { raw in
        #if canImport(Darwin)
          let opaque = raw
        #else
          let opaque = raw.unsafelyUnwrapped
        #endif
        let context = Unmanaged<Context>.fromOpaque(opaque).takeRetainedValue()
        context.pool.serve(context.worker)
      }, context.toOpaque())
    guard failure == 0 else {
      context.release()
      return false
    }
    #if canImport(Darwin)
      if let thread { pthread_detach(thread) }
    #else
      pthread_detach(thread)
    #endif
    return true
  }

  private final class Context {
    let pool: WorkerPool
    let worker: Worker
    init(pool: WorkerPool, worker: Worker) { (self.pool, self.worker) = (pool, worker) }
  }
}

/// One thread of a pool, as its callers see it.
private final class Worker: Sendable {
  /// Waiting and awake; with a share to do; at it; at it and waited for; asleep; without a thread.
  static let (idle, posted, running, awaited, asleep, missing) = (0, 1, 2, 3, 4, 5)

  /// The share that this thread does.
  let thread: Int
  let state = Atomic(Worker.idle)
  private let work = DispatchSemaphore(value: 0)
  private let end = DispatchSemaphore(value: 0)
  /// Keeps the states of two workers out of one cache line.
  private let padding = InlineArray<16, Int>(repeating: 0)

  /// How long a wait spins, a few microseconds, and how often it then yields, about a hundred, before the thread sleeps.
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

  /// Whether the caller has to do the share itself, because nobody has begun.
  func takeBack() -> Bool {
    // A look first: usually the worker has begun, and to take the cache line away from it would delay its end.
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

  /// Returns when a share was offered and is this worker's now.
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
    sched_yield()
    return true
  }
}
