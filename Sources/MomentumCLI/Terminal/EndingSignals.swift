import Foundation
import MomentumFiles

/// The signals that end a command from outside, as batch systems and terminals send them: no temporary file is left.
enum EndingSignals {
  private static let numbers = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGALRM, SIGUSR1, SIGUSR2]

  /// Cleans up, then lets the signal have the effect that it has without a handler.
  static let handler: @convention(c) (CInt) -> Void = { number in
    guard InterruptedWrites.mayEnd(by: number) else { return }
    signal(number, SIG_DFL)
    raise(number)
  }

  /// From now on these signals clean up. Those that whoever started the command has it ignore, as `nohup` does, stay
  /// ignored. So is from now on the signal about a file that would grow beyond the limit: the write fails instead.
  static func cleanUp() {
    InterruptedWrites.prepare()
    signal(SIGXFSZ, SIG_IGN)
    for number in numbers {
      let previous = signal(number, handler)
      if unsafeBitCast(previous, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { signal(number, SIG_IGN) }
    }
  }
}
