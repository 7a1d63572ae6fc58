import Momentum

/// One step in the command's output.
struct StepRow: Encodable {
  let step: Int
  let totalNorm: Double?
  let comparedNorm: Double?
  let clipCoefficient: Double
  let wasClipped: Bool
  let wasSkipped: Bool
  let normOverflowed: Bool
  let nonFiniteCount: Int
  let valueClippedCount: Int

  init(_ report: StepReport) { self.init(report.clip, step: report.step) }

  init(_ report: ClipReport, step: Int) {
    self.step = step
    totalNorm = report.totalNorm
    comparedNorm = report.comparedNorm
    clipCoefficient = report.clipCoefficient
    wasClipped = report.wasClipped
    wasSkipped = report.wasSkipped
    normOverflowed = report.normOverflowed
    nonFiniteCount = report.nonFiniteCount
    valueClippedCount = report.valueClippedCount
  }

  var text: String {
    var parts = ["step \(step)", summary]
    if wasSkipped { parts.append("SKIPPED") }
    return parts.joined(separator: ": ")
  }

  /// The norm and what was clipped, in a few words.
  var summary: String {
    var parts = ["norm \(totalNorm.map(\.description) ?? "not measured")"]
    if normOverflowed { parts.append("beyond Double") }
    if wasClipped { parts.append(clipCoefficient == 1 ? "tensors clipped" : "clipped by \(clipCoefficient)") }
    if valueClippedCount > 0 { parts.append("\(valueClippedCount) elements clipped by value") }
    if nonFiniteCount > 0 { parts.append("\(nonFiniteCount) elements not finite") }
    return parts.joined(separator: ", ")
  }
}
