/// How a tensor of two or more axes is read as a matrix, or as several.
///
/// Rows stand for outputs and columns for inputs, as in a dense layer of PyTorch; this counts where a factor depends on
/// rows and columns, but not for the orthogonalised matrix itself.
public indirect enum MatrixView: Sendable, Hashable {
  /// Rows are the first axis, columns all the others together: the layouts of PyTorch, also of convolutions.
  case firstAxis
  /// Rows are the last axis but one, columns the last; every index of the axes before them is a matrix of its own.
  case lastTwoAxes
  /// Columns are some axes and rows some others, each taken together in the order given; every index of the axes that
  /// are not named is a matrix of its own. Negative axes count from the last one, -1.
  case axes(inputs: [Int], outputs: [Int])
  /// Each matrix of another view is cut into matrices with these numbers of rows, for example queries, keys and values
  /// that are stored as one.
  case rowBlocks([Int], of: MatrixView)
}

/// The matrices of a tensor.
package struct TensorMatrices: Sendable, Hashable {
  private let batches: AxisOffsets
  private let rows: AxisOffsets
  private let columns: AxisOffsets
  private let blocks: [Range<Int>]

  fileprivate init(batches: AxisOffsets, rows: AxisOffsets, columns: AxisOffsets) {
    (self.batches, self.rows, self.columns) = (batches, rows, columns)
    blocks = [0..<rows.count]
    count = Self.count(batches, rows, columns, blocks)
  }

  private init(_ whole: TensorMatrices, blocks: [Range<Int>]) {
    (batches, rows, columns, self.blocks) = (whole.batches, whole.rows, whole.columns, blocks)
    count = Self.count(batches, rows, columns, blocks)
  }

  private static func count(
    _ batches: AxisOffsets, _ rows: AxisOffsets, _ columns: AxisOffsets, _ blocks: [Range<Int>]
  ) -> Int {
    batches.count > 1 && (rows.count == 0 || columns.count == 0) ? 0 : batches.count * blocks.count
  }

  /// The number of matrices. A batch of matrices without elements has none, whatever the product of its axes is.
  package let count: Int

  /// One of the matrices.
  package subscript(index: Int) -> MatrixLayout {
    let (batch, block) = index.quotientAndRemainder(dividingBy: blocks.count)
    return MatrixLayout(start: batches.offset(batch), rows: blocks[block], of: rows, columns: columns)
  }

  /// Cuts every matrix into blocks of rows; `nil` if the blocks do not make up the rows.
  fileprivate func cut(_ counts: [Int]) -> TensorMatrices? {
    var cut: [Range<Int>] = []
    for block in blocks {
      var start = block.lowerBound
      for count in counts {
        guard count > 0, count <= block.upperBound - start else { return nil }
        cut.append(start..<start + count)
        start += count
      }
      guard start == block.upperBound else { return nil }
    }
    return TensorMatrices(self, blocks: cut)
  }

  /// The numbers of rows of the matrices of one batch.
  fileprivate var blockCounts: [Int] { blocks.map(\.count) }
}

extension MatrixView {
  /// The matrices of a dense tensor.
  ///
  /// - Parameter tensor: The tensor's name, for the error.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a tensor of fewer than two axes, for axes that the shape does not
  ///   have or that are named twice, and for blocks that do not make up the rows.
  package func matrices(of shape: [Int], tensor: String) throws(MomentumError) -> TensorMatrices {
    let rank = shape.count
    func refusal(_ value: String, _ expected: String) -> MomentumError {
      .invalidSetting(name: "view", of: .tensor(tensor), value: "\(value) of the shape \(shape)", expected: expected)
    }
    guard rank >= 2 else { throw refusal(name, "a tensor of at least 2 axes") }
    switch self {
    case .firstAxis:
      return TensorMatrices(
        batches: AxisOffsets([], of: shape), rows: AxisOffsets([0], of: shape),
        columns: AxisOffsets(Array(1..<rank), of: shape))
    case .lastTwoAxes:
      return TensorMatrices(
        batches: AxisOffsets(Array(0..<rank - 2), of: shape), rows: AxisOffsets([rank - 2], of: shape),
        columns: AxisOffsets([rank - 1], of: shape))
    case .axes(let inputs, let outputs):
      let columns = inputs.map { $0 < 0 ? $0 + rank : $0 }
      let rows = outputs.map { $0 < 0 ? $0 + rank : $0 }
      var free = Set(0..<rank)
      guard !rows.isEmpty, !columns.isEmpty, (rows + columns).allSatisfy({ free.remove($0) != nil }) else {
        throw refusal(name, "one axis or more for each, in \(-rank)..<\(rank), each at most once")
      }
      return TensorMatrices(
        batches: AxisOffsets(free.sorted(), of: shape), rows: AxisOffsets(rows, of: shape),
        columns: AxisOffsets(columns, of: shape))
    case .rowBlocks(let counts, let view):
      let whole = try view.matrices(of: shape, tensor: tensor)
      guard let cut = whole.cut(counts) else {
        throw refusal(
          name,
          "positive numbers of rows that add up to \(whole.blockCounts.map { "\($0)" }.joined(separator: " and to "))")
      }
      return cut
    }
  }

  private var name: String {
    switch self {
    case .firstAxis: "firstAxis"
    case .lastTwoAxes: "lastTwoAxes"
    case .axes(let inputs, let outputs): "inputs \(inputs) and outputs \(outputs)"
    case .rowBlocks(let counts, _): "row blocks \(counts)"
    }
  }
}
