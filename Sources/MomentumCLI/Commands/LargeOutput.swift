import Foundation
import MomentumReference

/// The output of `momentum validate --large`.
struct LargeOutput: Encodable {
  let passed: Bool
  let count: Int
  let checks: [LargeCheck]
  let leftOut: [String]

  init(_ report: LargeReport) {
    (passed, count) = (report.passed, LargeReport.count)
    (checks, leftOut) = (report.checks, report.leftOut)
  }

  var text: String {
    let cells = checks.map { [$0.name, String(format: "%.1f", $0.seconds), $0.passed ? "pass" : "FAIL"] }
    var lines = ["\(count) elements, float", ""]
    lines.append(TextTable.text(["check", "seconds", "verdict"], cells, leftColumns: [0, 2]))
    lines.append("")
    lines += checks.filter { !$0.passed }.map { "FAIL \($0.name): \($0.found)" }
    lines += leftOut.map { "left out for lack of memory: \($0)" }
    lines.append("\(checks.count) checks run, \(checks.count { !$0.passed }) failed")
    return lines.joined(separator: "\n")
  }
}
