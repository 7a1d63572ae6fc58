import Foundation
import Synchronization

/// Shows how far long work has come, on standard error: a bar with rate and time left on a terminal, a plain line now
/// and then elsewhere. Safe to use from several threads.
final class ProgressDisplay: Sendable {
  private struct State {
    var done = 0
    var doneBefore = 0
    var note = ""
    var lastShown: ContinuousClock.Instant?
  }

  private let total: Int
  private let unit: String
  private let isTerminal: Bool
  private let isSilent: Bool
  private let start = ContinuousClock.now
  private let state = Mutex(State())

  /// - Parameter done: Units that an earlier session did; they do not count in the rate.
  init(total: Int, unit: String, done: Int = 0, isSilent: Bool = false) {
    (self.total, self.unit, self.isSilent) = (total, unit, isSilent)
    isTerminal = isatty(STDERR_FILENO) == 1
    state.withLock {
      $0.done = done; $0.doneBefore = done
    }
  }

  /// Adds units and shows the bar at most ten times a second, a plain line at most every ten seconds.
  func advance(_ units: Int, note: String? = nil) {
    guard !isSilent else { return }
    state.withLock { state in
      state.done += units
      if let note { state.note = note }
      let now = ContinuousClock.now
      let pause: Duration = isTerminal ? .milliseconds(100) : .seconds(10)
      guard now - (state.lastShown ?? (isTerminal ? now - pause : start)) >= pause else { return }
      state.lastShown = now
      show(state, at: now)
    }
  }

  /// Shows the last state; on a terminal ends the line of the bar.
  func finish() {
    guard !isSilent else { return }
    state.withLock { state in
      show(state, at: .now)
      if isTerminal { write("\n") }
    }
  }

  private func show(_ state: State, at now: ContinuousClock.Instant) {
    let line = Self.line(
      done: state.done, total: total, unit: unit, seconds: (now - start) / .seconds(1), doneBefore: state.doneBefore,
      note: state.note, bar: isTerminal ? 24 : 0)
    // Back to the first column, and nothing left of a longer line.
    write(isTerminal ? "\r" + line + "\u{1B}[K" : line + "\n")
  }

  private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }

  /// One line: bar (of `bar` cells, if any), share, count, rate, time left, note.
  static func line(
    done: Int, total: Int, unit: String, seconds: Double, doneBefore: Int, note: String, bar: Int
  ) -> String {
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
    var parts: [String] = []
    if bar > 0 {
      let filled = Int(share * Double(bar))
      parts.append("[" + String(repeating: "#", count: filled) + String(repeating: ".", count: bar - filled) + "]")
    }
    parts.append(String(format: "%3d %%", Int(share * 100)))
    parts.append("\(done)/\(total) \(unit)")
    let rate = seconds > 0 ? Double(done - doneBefore) / seconds : 0
    if rate > 0 {
      parts.append(String(format: rate < 10 ? "%.1f" : "%.0f", rate) + " \(unit)/s")
      let left = Int((Double(total - done) / rate).rounded(.up))
      parts.append(String(format: "%d:%02d left", left / 60, left % 60))
    }
    if !note.isEmpty { parts.append(note) }
    return parts.joined(separator: "  ")
  }
}
