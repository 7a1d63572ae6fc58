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

      --sweep and --large take longer and run instead: the first compares norms of vectors of up to N elements with exact \
      sums of squares, the second takes norms, clips and steps of more than 2^31 elements.
      """
  )

  @Option(help: ArgumentHelp("The reference values; by default Tests/Fixtures of the package.", valueName: "dir"))
  var fixtures: String?

  @Flag(help: "Sweep norms over lengths and distributions.")
  var sweep = false

  @Option(parsing: .unconditional, help: ArgumentHelp("The greatest length of the sweep.", valueName: "n"))
  var largest = 1_000_000

  @Option(help: ArgumentHelp("The scalar of the sweep, float or double; by default both.", valueName: "scalar"))
  var scalar: String?

  @Flag(help: "Run vectors of more than 2^31 elements.")
  var large = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    guard !(sweep && large) else { throw ValidationError("--sweep and --large are two runs; give one of them") }
    guard largest >= 1 else { throw ValidationError("--largest is \(largest); expected at least 1") }
    guard scalar == nil || ["float", "double"].contains(scalar) else {
      throw ValidationError("--scalar is '\(scalar!)'; expected float or double")
    }
  }

  func run() throws {
    if sweep { return try runSweep() }
    if large { return try runLarge() }
    let report = try orFailure {
      try ReferenceReport(fixtures: fixtures.map { URL(filePath: $0) } ?? ReferenceFixtures.locate())
    }
    let output = Output(passed: report.passed, rows: report.rows, negativeControls: report.negativeControls)
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(output.text) }
    guard report.passed else { throw ExitCode.failure }
  }

  private func runSweep() throws {
    let output = SweepOutput(
      try orFailure {
        try SweepReport(largest: largest, scalars: scalar.map { [$0] } ?? ["float", "double"], progress: Self.show)
      })
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(output.text) }
    guard output.passed else { throw ExitCode.failure }
  }

  private func runLarge() throws {
    let output = LargeOutput(try orFailure { try LargeReport(progress: Self.show) })
    if json { try JSONOutput.print(output) } else { try StandardOutput.print(output.text) }
    guard output.passed else { throw ExitCode.failure }
  }

  /// A word about the next run, since both take a while.
  private static func show(_ step: String) { Message.write("momentum validate: \(step)") }

  /// The report, or its error in one line and a failure.
  private func orFailure<Report>(_ report: () throws -> Report) throws -> Report {
    do {
      return try report()
    } catch {
      Message.write("momentum validate: \(error)")
      throw ExitCode.failure
    }
  }

  /// The output of the command.
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
