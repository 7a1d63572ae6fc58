import Foundation
import Synchronization

/// Lets long work end in good order: the first Ctrl-C (or SIGTERM) only sets a flag, the second one ends the process.
enum Interrupt {
  private static let flag = Atomic<Bool>(false)

  /// The exit status of a command that was interrupted, as shells give it: 128 + SIGINT.
  static let exitStatus: Int32 = 130

  static var wasRequested: Bool { flag.load(ordering: .relaxed) }

  /// From now on an interrupt is a request.
  static func catchSignals() {
    // The flag exists before a handler can touch it.
    flag.store(false, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        Interrupt.flag.store(true, ordering: .relaxed)
        signal(number, EndingSignals.handler)
      }
    }
  }
}
