internal import CMomentumKernels
internal import Synchronization

/// Threads that wait for work: one for each processor but the caller's, started with the first work and kept.
///
/// A worker that has finished spins for some microseconds, then yields for about a hundred more, looking for work all
/// the time. So the second pass of a step, or the next step of a loop of small ones, finds it awake. After that it
/// sleeps.
///
/// The caller does its own share, then takes back the shares that no worker has begun, and only then waits for the
/// others. So it never waits for a thread that the system has yet to schedule (on a machine with more threads than
/// processors), nor for one that does not exist: a child process made by `fork` has no workers and does all the work on
/// the calling thread. Only one caller uses the workers at a time.
final class WorkerPool: @unchecked Sendable {  // the job is written by the caller that holds `isTaken`
  static let shared = WorkerPool(workers: Machine.availableProcessors - 1)

  /// The name of all workers in tools that list threads.
  static let threadName = "momentum work"

  private let workers: [Worker]
  private let isTaken = Atomic(false)
  /// The number of times that the workers were found asleep when only awake ones were wanted.
  private let sleepyCount = Atomic(0)
  private var job: (type: any TeamWork.Type, work: UnsafeRawPointer)?

  private init(workers count: Int) {
    workers = (0..<max(0, count)).map { Worker(thread: $0 + 1) }
    for worker in workers where !start(worker) { worker.state.store(Worker.missing, ordering: .relaxed) }
  }

  /// Does work on the caller's thread and on one worker for each further share.
  ///
  /// - Returns: Whether the work was done; it was not if another caller uses the workers, or if there are none.
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

  /// Whether some workers are awake and wait for work.
  ///
  /// Wakes them if they are not, but not every time: waking costs microseconds, and is worth it only if more work
  /// follows soon.
  func areAwake(_ helpers: Int) -> Bool {
    guard helpers <= workers.count else { return false }
    for helper in 0..<helpers where !workers[helper].isAwake {
      if sleepyCount.wrappingAdd(1, ordering: .relaxed).newValue % 64 == 1 { workers[helper].wake() }
      return false
    }
    return true
  }

  private func serve(_ worker: Worker) -> Never {
    EngineCall.prepareWorker()
    momentum_name_thread(Self.threadName)
    while true {
      worker.waitForWork()
      // Only now is it certain that the job is the one that this share belongs to.
      if let job { job.type.run(job.work, thread: worker.thread) }
      worker.finish()
    }
  }

  /// Starts a thread that ends with the process.
  private func start(_ worker: Worker) -> Bool { Platform.startThread { self.serve(worker) } }
}
