import Foundation

/// The counts of a campaign as text.
struct Summary {
  private let total: Campaign.Total
  private let seconds: Double

  init(_ total: Campaign.Total, seconds: Double) { (self.total, self.seconds) = (total, seconds) }

  var text: String {
    let (coverage, accuracy) = (total.coverage.counts, total.accuracy)
    let refused = coverage.filter { $0.key.hasPrefix("refused: ") }.reduce(0) { $0 + $1.value }
    var lines = coverage.sorted { $0.key < $1.key }.map { "\(Self.padded($0.value))  \($0.key)" }
    lines += [
      "",
      "\(total.scenarios) scenarios, \(total.steps) steps of 4 twins, \(total.elements) elements, in \(Int(seconds)) s"
        + " (\(Int(Double(total.steps) / max(seconds, 0.001))) steps/s)",
      "\(total.fusedSteps) steps of fused loops alone compared with calls of BLAS",
      "\(refused) steps refused as expected",
      "\(accuracy.compared) numbers compared with the plain loop; largest error as a share of its bound: "
        + zip(AccuracyRecord.Kind.allCases, accuracy.worst).map { "\($0.rawValue) \(Self.rounded($1))" }
        .joined(separator: ", "),
      "not compared: "
        + zip(AccuracyRecord.Excuse.allCases, accuracy.excused).map { "\($1) \($0.rawValue)" }.joined(separator: ", "),
    ]
    return lines.joined(separator: "\n")
  }

  private static func rounded(_ x: Double) -> Double { (x * 1000).rounded() / 1000 }

  private static func padded(_ n: Int) -> String {
    String(repeating: " ", count: max(0, 10 - "\(n)".count)) + "\(n)"
  }
}
