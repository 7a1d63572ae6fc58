import ArgumentParser
import Foundation
import MomentumReference

struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Compare every operation with its reference values.",
    discussion: """
      The reference values are exact or correctly rounded results; Scripts/make-reference.sh made them. Exits with 1 if a \
      comparison fails, if a file of reference values was changed, or if a deliberately wrong implementation is not \
      rejected.
      """
  )

  @Option(help: ArgumentHelp("The reference values; by default Tests/Fixtures of the package.", valueName: "dir"))
  var fixtures: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let report: ReferenceReport
    do {
      report = try ReferenceReport(fixtures: fixtures.map { URL(filePath: $0) } ?? ReferenceFixtures.locate())
    } catch {
      Message.write("momentum validate: \(error)")
      throw ExitCode.failure
    }
    let output = Output(passed: report.passed, rows: report.rows, negativeControls: report.negativeControls)
    if json { try JSONOutput.print(output) } else { print(output.text) }
    guard report.passed else { throw ExitCode.failure }
  }

  /// What the command prints.
  private struct Output: Encodable {
    let passed: Bool
    let rows: [ReferenceRow]
    let negativeControls: [NegativeControl]

    var text: String {
      let header = ["operation", "scalar", "cases", "worst ulp", "tolerance", "verdict", "reason for the tolerance"]
      let cells = rows.map { row in
        [
          row.operation, row.scalar, "\(row.cases)", number(row.worstErrorUlps), number(row.tolerance),
          row.passed ? "pass" : "FAIL", row.reason,
        ]
      }
      var lines = [TextTable.text(header, cells, leftColumns: [0, 1, 5, 6]), ""]
      for row in rows where !row.passed {
        lines.append("FAIL \(row.operation), \(row.scalar): worst case '\(row.worstCase)'")
      }
      let rejected = negativeControls.count { $0.wasRejected }
      lines.append("negative controls rejected: \(rejected) of \(negativeControls.count)")
      for control in negativeControls {
        let verdict = control.wasRejected ? "rejected" : "NOT REJECTED"
        lines.append(
          "  \(control.name): \(verdict), \(number(control.row.worstErrorUlps)) ulp of \(control.row.operation)")
      }
      let values = rows.reduce(0) { $0 + $1.cases }
      lines.append("\(values) values compared in \(rows.count) rows, \(rows.count { !$0.passed }) rows failed")
      return lines.joined(separator: "\n")
    }

    private func number(_ value: Double) -> String { String(format: "%.4g", value) }
  }
}
