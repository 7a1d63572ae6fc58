import Foundation

/// What to run, from the command line.
struct Options {
  var seed = Int.random(in: 1...1_000_000_000)
  var scenarios: Int?
  var minutes: Double?
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  /// The most elements of a layout, about.
  var elements = Int.max
  var plant: Plant?

  static let help = """
    Takes random steps in several ways and compares them: by optimizers that differ in threads, memory, interruptions and whether they call BLAS or run fused loops, bit for bit; and by a plain loop, within a bound.

    Usage: MomentumStepFuzz [--seed N] [--scenarios N | --minutes X] [--jobs N]
      --seed        the first scenario; the others have the numbers after it (default: random, printed)
      --scenarios   how many (default: no end)
      --minutes     how long
      --jobs        how many scenarios run side by side (default: the number of processors)

    On a difference it prints where, and exits 1; `--seed N --scenarios 1` repeats scenario N.
    """

  struct Misuse: Error {
    let message: String
  }

  init(_ arguments: [String]) throws(Misuse) {
    var rest = arguments[...]
    while let option = rest.popFirst() {
      guard let text = rest.popFirst() else { throw Misuse(message: "'\(option)' needs a value; see --help") }
      func number(_ least: Int) throws(Misuse) -> Int {
        guard let value = Int(text), value >= least else {
          throw Misuse(message: "\(option) is '\(text)'; expected a whole number, at least \(least)")
        }
        return value
      }
      switch option {
      case "--seed": seed = try number(0)
      case "--scenarios": scenarios = try number(1)
      case "--jobs": jobs = try number(1)
      case "--minutes":
        guard let value = Double(text), value > 0 else {
          throw Misuse(message: "--minutes is '\(text)'; expected a positive number")
        }
        minutes = value
      // For the test of this program only, which is not optimized: small tensors, and a fault that it has to find.
      case "--elements": elements = try number(1)
      case "--plant":
        guard let value = Plant(rawValue: text) else {
          throw Misuse(message: "--plant is '\(text)'; expected one of \(Plant.allCases.map(\.rawValue))")
        }
        plant = value
      default: throw Misuse(message: "unknown option '\(option)'; see --help")
      }
    }
  }
}
