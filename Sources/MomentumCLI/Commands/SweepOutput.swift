import Foundation
import Momentum
import MomentumReference

/// The output of `momentum validate --sweep`.
struct SweepOutput: Encodable {
  let passed: Bool
  let rows: [SweepRow]
  let negativeControls: [SweepControl]
  let leftOut: [String]

  init(_ report: SweepReport) {
    (passed, rows) = (report.passed, report.rows)
    (negativeControls, leftOut) = (report.negativeControls, report.leftOut)
  }

  /// A line for each decade of lengths: the error nearest its bound.
  var text: String {
    let header = ["distribution", "scalar", "algorithm", "lengths", "worst at", "error in ulps", "bound", "verdict"]
    var lines = [TextTable.text(header, decades.map(cells), leftColumns: [0, 1, 2, 7]), ""]
    for row in rows where !row.passed {
      lines.append(
        "FAIL \(row.distribution.rawValue), \(row.scalar), \(row.algorithm.rawValue), \(row.length) elements: "
          + "\(row.errorUlps) ulp, bound \(row.bound)")
    }
    lines.append("naive norms rejected: \(negativeControls.count { $0.wasRejected }) of \(negativeControls.count)")
    for control in negativeControls {
      let verdict = control.wasRejected ? "rejected" : "NOT REJECTED"
      lines.append(
        "  \(control.name): \(verdict), \(number(control.row.errorUlps)) ulp at \(control.row.length) elements, "
          + "bound \(number(control.row.bound))")
    }
    lines += leftOut.map { "left out for lack of memory: \($0)" }
    lines.append("\(rows.count) norms compared, \(rows.count { !$0.passed }) failed")
    return lines.joined(separator: "\n")
  }

  /// The rows in runs of the same distribution, scalar, algorithm and number of digits of the length.
  private var decades: [[SweepRow]] {
    var keys: [[String]] = []
    var groups: [[String]: [SweepRow]] = [:]
    for row in rows {
      let digits = "\(row.length)".count
      let key = [row.distribution.rawValue, row.scalar, row.algorithm.rawValue, "\(digits)"]
      if groups[key] == nil { keys.append(key) }
      groups[key, default: []].append(row)
    }
    return keys.map { groups[$0]! }
  }

  private func cells(_ group: [SweepRow]) -> [String] {
    let worst = group.max { $0.errorUlps * $1.bound < $1.errorUlps * $0.bound }!
    return [
      worst.distribution.rawValue, worst.scalar, worst.algorithm.rawValue, "\(group.count)", "\(worst.length)",
      number(worst.errorUlps), number(worst.bound), group.allSatisfy(\.passed) ? "pass" : "FAIL",
    ]
  }

  // Nine digits: the bound 0.5000002 is a promise about the seventh.
  private func number(_ value: Double) -> String { String(format: "%.8g", value) }
}
