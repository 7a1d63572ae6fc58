import Dispatch
import Foundation
import Momentum
import Synchronization

/// Scenarios side by side, until a number, a time, or the first difference.
struct Campaign: Sendable {
  /// What all scenarios found together.
  struct Total: Sendable {
    var scenarios = 0
    var steps = 0
    var fusedSteps = 0
    var elements = 0
    var coverage = Coverage()
    var accuracy = AccuracyRecord()
    var finding: String?
    fileprivate var next = 0
  }

  private let options: Options
  private let deadline: Date?
  private let floats = ElementPools<Float>()
  private let doubles = ElementPools<Double>()

  init(_ options: Options) {
    self.options = options
    deadline = options.minutes.map { Date(timeIntervalSinceNow: $0 * 60) }
  }

  func run() -> Total {
    let total = Mutex(Total())
    DispatchQueue.concurrentPerform(iterations: min(options.jobs, options.scenarios ?? .max)) { _ in
      while let index = total.withLock({ take(&$0) }) {
        let seed = options.seed + index
        var random = Random(seed: UInt64(seed))
        if random.chance(0.6) {
          run(Scenario<Float, Double>.self, random, floats, seed, total)
        } else {
          run(Scenario<Double, Widest>.self, random, doubles, seed, total)
        }
      }
    }
    return total.withLock { $0 }
  }

  private func take(_ total: inout Total) -> Int? {
    guard total.finding == nil, total.next < options.scenarios ?? .max, deadline.map({ $0 > Date() }) ?? true else {
      return nil
    }
    defer { total.next += 1 }
    return total.next
  }

  private func run<Scalar, Wide>(
    _: Scenario<Scalar, Wide>.Type, _ random: Random, _ pools: ElementPools<Scalar>, _ seed: Int,
    _ total: borrowing Mutex<Total>
  ) {
    var finding: String?
    var finished: Scenario<Scalar, Wide>?
    do {
      let scenario = try Scenario<Scalar, Wide>(random, pools, plant: options.plant, most: options.elements)
      finished = scenario
      try scenario.run()
    } catch {
      let settings = finished.map { "\n\($0.layout.tensors.map(\.shape))\n\($0.settings)" } ?? ""
      finding =
        "seed \(seed), scenario 1 (\(Scalar.self)), step \((finished?.steps ?? 0) + 1): "
        + ((error as? Difference)?.description ?? "\(error)") + settings
    }
    total.withLock { total in
      total.scenarios += 1
      if let finished {
        total.steps += finished.steps
        total.fusedSteps += finished.fusedSteps
        total.elements += finished.elements
        total.coverage.merge(finished.coverage)
        total.accuracy.merge(finished.accuracy)
      }
      if let finding, total.finding == nil { total.finding = finding }
    }
  }
}
