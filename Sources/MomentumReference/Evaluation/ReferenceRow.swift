/// The result of comparing one operation with its reference values.
public struct ReferenceRow: Codable, Hashable, Sendable {
  public var operation: String
  public var scalar: String
  /// The number of values compared.
  public var cases: Int
  /// The error that came nearest its tolerance, in ulps.
  public var worstErrorUlps: Double
  /// The tolerance of that case, in ulps.
  public var tolerance: Double
  /// The reason for the tolerance.
  public var reason: String
  /// The name of that case.
  public var worstCase: String
  public var passed: Bool
}

/// Collects the errors of one operation, and keeps the one that is nearest its tolerance or farthest beyond it.
struct Tally {
  var row: ReferenceRow
  private var worst = -1.0

  init(_ operation: String, _ scalar: String, reason: String) {
    row = ReferenceRow(
      operation: operation, scalar: scalar, cases: 0, worstErrorUlps: 0, tolerance: 0, reason: reason, worstCase: "",
      passed: true)
  }

  /// Counts one value with its error and its tolerance. A NaN error fails.
  mutating func add(error: Double, allowed: Double, case name: @autoclosure () -> String) {
    row.cases += 1
    let fits = error <= allowed
    let share = error == 0 ? 0 : error.isNaN ? .infinity : allowed == 0 ? .infinity : error / allowed
    if share > worst || (!fits && row.passed) {
      worst = max(share, worst)
      row.worstErrorUlps = error
      row.tolerance = allowed
      row.worstCase = name()
    }
    row.passed = row.passed && fits
  }

  /// Counts one value that must be equal.
  mutating func add(equal: Bool, case name: @autoclosure () -> String) {
    add(error: equal ? 0 : .infinity, allowed: 0, case: name())
  }
}
