import Momentum
import MomentumFiles

/// The output of `momentum norm`.
struct NormOutput: Encodable {
  /// The norm of one tensor.
  struct Tensor: Encodable {
    let name: String
    let count: Int
    let norm: Double
    let normHex: String
    let nanCount: Int
    let infinityCount: Int
  }

  /// A tensor that holds NaN or infinities: how many, and where the first one of them is.
  struct NonFiniteTensor: Encodable {
    let name: String
    let nanCount: Int
    let infinityCount: Int
    let firstIndex: Int
    let firstValue: Double

    var line: String {
      "tensor '\(name)': \(nanCount) NaN, \(infinityCount) infinite; the first, \(firstValue), at index \(firstIndex)"
    }
  }

  let totalNorm: Double
  let totalNormHex: String
  let normOverflowed: Bool
  let nonFiniteCount: Int
  /// All tensors that are not finite, whether or not the others are listed.
  private(set) var nonFiniteTensors: [NonFiniteTensor] = []
  private(set) var tensors: [Tensor]?
  /// The tensors as matrices, in the order of their names, where singular values were asked for.
  var matrices: [MatrixTensor.Found]? {
    didSet { matrices = matrices.map(MatrixTensor.Found.inOrder) }
  }
  /// Tensors of integers and truth values; `nil` if there are none.
  let skippedTensors: [CheckpointTensors.Skipped]?

  init(_ total: NormReport, perTensor: Bool, skipped: [CheckpointTensors.Skipped] = []) {
    totalNorm = total.norm
    totalNormHex = HexDouble.text(of: total.norm)
    normOverflowed = total.overflowed
    nonFiniteCount = total.nanCount + total.infinityCount
    tensors = perTensor ? [] : nil
    skippedTensors = skipped.isEmpty ? nil : skipped
  }

  /// The output for the spectral norm: that of the largest matrix.
  ///
  /// - Parameter magnitudes: The maximum of all tensors, for the elements that are not finite.
  init(
    _ magnitudes: NormReport, spectral matrices: [MatrixTensor.Found], perTensor: Bool,
    skipped: [CheckpointTensors.Skipped] = []
  ) {
    let norms = matrices.compactMap(\.spectralNorm)
    totalNorm = norms.contains(where: \.isNaN) ? .nan : norms.max() ?? 0
    totalNormHex = HexDouble.text(of: totalNorm)
    nonFiniteCount = magnitudes.nanCount + magnitudes.infinityCount
    normOverflowed = totalNorm.isInfinite && nonFiniteCount == 0
    self.matrices = perTensor ? MatrixTensor.Found.inOrder(matrices) : nil
    skippedTensors = skipped.isEmpty ? nil : skipped
  }

  /// Whether tensors are to be added: all are listed, or some are not finite.
  var listsTensors: Bool { tensors != nil || nonFiniteCount > 0 }

  /// Adds one tensor of the file.
  mutating func add(_ name: String, _ report: NormReport, of elements: TensorBuffer) {
    let first = report.nanCount + report.infinityCount > 0 ? elements.firstNonFinite() : nil
    add(name, report, count: elements.count, first: first)
  }

  /// Adds one tensor of the file if it is not finite.
  mutating func addNonFinite(_ name: String, _ report: NormReport, of elements: TensorBuffer) {
    if report.nanCount + report.infinityCount > 0 { add(name, report, of: elements) }
  }

  /// Adds one tensor of the file.
  ///
  /// - Parameter first: The first element that is not finite, if there is one.
  mutating func add(_ name: String, _ report: NormReport, count: Int, first: (index: Int, value: Double)?) {
    tensors?.append(
      Tensor(
        name: name, count: count, norm: report.norm, normHex: HexDouble.text(of: report.norm),
        nanCount: report.nanCount, infinityCount: report.infinityCount))
    guard let first else { return }
    nonFiniteTensors.append(
      NonFiniteTensor(
        name: name, nanCount: report.nanCount, infinityCount: report.infinityCount, firstIndex: first.index,
        firstValue: first.value))
  }

  /// The same for people.
  var lines: [String] {
    var lines = (tensors ?? []).map { "\($0.name)  \($0.count) elements  norm \($0.norm)" }
    lines += (matrices ?? []).map(\.line)
    lines.append("norm \(totalNorm)  \(totalNormHex)")
    if normOverflowed { lines.append("all elements are finite; the norm exceeds Double") }
    if nonFiniteCount > 0 { lines.append("\(nonFiniteCount) elements are not finite") }
    lines += nonFiniteTensors.map(\.line)
    if let skippedTensors { lines.append(CheckpointTensors.note(skippedTensors)) }
    return lines
  }
}
