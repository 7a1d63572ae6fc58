import Momentum

/// The output of steps and of clips.
struct StepOutput: Encodable {
  let rows: [StepRow]
  /// What a limit of spectral norms did to each matrix, in the order of their names; `nil` if there is none.
  let matrices: [MatrixTensor.Found]?
  /// Tensors of integers and truth values, which no step or clip changes; `nil` if there are none.
  let skippedTensors: [CheckpointTensors.Skipped]?

  enum CodingKeys: String, CodingKey {
    case rows = "steps"
    case matrices, skippedTensors
  }

  init(_ rows: [StepRow], matrices: [MatrixTensor.Found]? = nil, skipped: [CheckpointTensors.Skipped]) {
    self.rows = rows
    self.matrices = matrices.map(MatrixTensor.Found.inOrder)
    skippedTensors = skipped.isEmpty ? nil : skipped
  }

  /// What is to be said beside the rows.
  var notes: [String] { skippedTensors.map { [CheckpointTensors.note($0)] } ?? [] }
}

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
  /// How many elements exceeded the largest number of their type in half precision; `nil` if none did.
  private(set) var overflowedElements: Int?
  /// How many parameters in half precision kept their bits though they should have moved; `nil` if none did.
  private(set) var lostUpdates: Int?

  /// - Parameter reports: Those of the parts of one step, which differ in what rounding has lost; one at least.
  init(_ reports: [StepReport]) {
    self.init(reports.map(\.clip), step: reports[0].step)
    losses.lost = reports.reduce(0) { $0 + $1.lostUpdates }
  }

  /// What rounding has lost: elements that overflowed, and updates.
  var losses: (overflowed: Int, lost: Int) {
    get { (overflowedElements ?? 0, lostUpdates ?? 0) }
    set {
      overflowedElements = newValue.overflowed > 0 ? newValue.overflowed : nil
      lostUpdates = newValue.lost > 0 ? newValue.lost : nil
    }
  }

  /// - Parameters:
  ///   - reports: Those of the parts of one gradient, one at least. They are of all parts but for what each has lost, and a
  ///     coefficient may round to 1 in one type alone.
  ///   - haveClippedMatrices: Whether a limit of spectral norms, which the reports know nothing of, has clipped.
  init(_ reports: [ClipReport], step: Int, haveClippedMatrices: Bool = false) {
    let report = reports[0]
    self.step = step
    totalNorm = report.totalNorm
    comparedNorm = report.comparedNorm
    clipCoefficient = report.clipCoefficient
    wasClipped = haveClippedMatrices || reports.contains(where: \.wasClipped)
    wasSkipped = report.wasSkipped
    normOverflowed = report.normOverflowed
    nonFiniteCount = report.nonFiniteCount
    valueClippedCount = report.valueClippedCount
    losses.overflowed = reports.reduce(0) { $0 + $1.overflowedElements }
  }

  var text: String {
    var parts = ["step \(step)", summary]
    if wasSkipped { parts.append("SKIPPED") }
    if let overflowNote { parts.append(overflowNote) }
    if let lostUpdates { parts.append("\(lostUpdates) updates lost to rounding") }
    return parts.joined(separator: ": ")
  }

  /// How many elements overflowed, in words; `nil` if none did.
  var overflowNote: String? { overflowedElements.map { "\($0) elements overflowed half precision" } }

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
