import Foundation
import Momentum

/// How many random trials a test takes. `RULE_TRIALS=300 swift test --filter RandomRuns` takes 300 of each convention.
enum Trials {
  /// Numbered trials of each convention, `count` of them unless the environment says otherwise.
  ///
  /// The trials of a convention lie one after the other, so that what alternates with their numbers meets all of them.
  static func ofConventions(_ count: Int) -> [(Int, Convention)] {
    let count = ProcessInfo.processInfo.environment["RULE_TRIALS"].flatMap { Int($0) } ?? count
    return Convention.allCases.flatMap { convention in (0..<count).map { ($0, convention) } }
  }
}
