import Dispatch
import Foundation

/// Work that is done on another thread in the order in which it was handed over, while the caller prepares the next piece.
final class BackgroundWork: @unchecked Sendable {  // what threads share is guarded by the lock
  private let queue = DispatchQueue(label: "momentum.background")
  private let slots: DispatchSemaphore
  private let lock = NSLock()
  private var failure: (any Error)?

  /// - Parameter depth: How many pieces may wait or be worked on; then ``submit(_:)`` waits.
  init(depth: Int) { slots = DispatchSemaphore(value: depth) }

  /// Hands a piece of work over, which is not begun if one before it has failed.
  ///
  /// - Throws: The error of a piece before.
  func submit(_ work: @escaping () throws -> Void) throws {
    slots.wait()
    if let failure = lock.withLock({ failure }) {
      slots.signal()
      throw failure
    }
    let piece = Piece(work)
    queue.async { [self] in
      if lock.withLock({ failure == nil }) {
        do { try piece.run() } catch { lock.withLock { failure = error } }
      }
      piece.end()
      slots.signal()
    }
  }

  /// Waits for all work.
  func wait() { queue.sync {} }

  /// Waits for all work.
  ///
  /// - Throws: The error of the first piece that failed.
  func finish() throws {
    wait()
    if let failure = lock.withLock({ failure }) { throw failure }
  }

  /// One piece, which belongs to the caller's thread until it is handed over, and to the other one from then on.
  private final class Piece: @unchecked Sendable {
    private var work: (() throws -> Void)?

    init(_ work: @escaping () throws -> Void) { self.work = work }

    func run() throws { try work?() }

    /// Lets go of what the work holds, before another piece may need its memory.
    func end() { work = nil }
  }
}
