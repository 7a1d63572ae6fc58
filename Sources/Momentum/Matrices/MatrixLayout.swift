/// Where the elements of a matrix lie, counted from the first element of its tensor: element (i, j) is at
/// `rowOffset(i) + columnOffset(j)`.
package struct MatrixLayout: Sendable, Hashable {
  /// The number of rows.
  package let rows: Int
  /// The number of columns.
  package let columns: Int
  private let start: Int
  private let firstRow: Int
  private let rowAxis: AxisOffsets
  private let columnAxis: AxisOffsets

  init(start: Int, rows: Range<Int>, of rowAxis: AxisOffsets, columns columnAxis: AxisOffsets) {
    self.rows = rows.count
    columns = columnAxis.count
    self.start = start
    firstRow = rows.lowerBound
    self.rowAxis = rowAxis
    self.columnAxis = columnAxis
  }

  /// A matrix stored row by row, `leadingDimension` elements (by default `columns`) apart.
  package init(rows: Int, columns: Int, leadingDimension: Int? = nil) {
    self.init(
      start: 0, rows: 0..<rows, of: AxisOffsets(count: rows, stride: leadingDimension ?? columns),
      columns: AxisOffsets(count: columns, stride: 1))
  }

  /// The number of elements.
  var count: Int { rows * columns }
  /// The smaller side.
  var shortSide: Int { min(rows, columns) }
  /// The larger side.
  var longSide: Int { max(rows, columns) }
  /// Whether the larger side is at most a sixteenth longer than the other, or the matrix lies in one tile: then a
  /// ``PlainIteration`` costs as little as a ``GramIteration``.
  var iteratesPlainly: Bool { longSide - shortSide <= shortSide / 16 || longSide <= MatrixTile.side }
  /// Whether a restart costs so much more than the question whether the matrix needs one (``GramCondition``) that this is
  /// asked: nine times as much, or more.
  var mayDoWithoutRestarts: Bool { longSide >= 2 * shortSide }

  package func rowOffset(_ row: Int) -> Int { start + rowAxis.offset(firstRow + row) }
  func columnOffset(_ column: Int) -> Int { columnAxis.offset(column) }
  /// Elements from one column to the next; `nil` if they are not equally far apart.
  var columnStride: Int? { columnAxis.stride }
  /// Elements from one row to the next; `nil` if they are not equally far apart.
  var rowStride: Int? { rowAxis.stride }
}

/// The places of the indices of several axes taken as one, the last axis fastest.
struct AxisOffsets: Sendable, Hashable {
  /// The number of indices.
  let count: Int
  /// Elements from one index to the next, if that is the same everywhere.
  let stride: Int?
  private let axes: [Axis]

  private struct Axis: Sendable, Hashable { var count, stride: Int }

  init(count: Int, stride: Int) { (self.count, self.stride, axes) = (count, stride, []) }

  /// The axes of a dense tensor, taken in the order given.
  init(_ axes: [Int], of shape: [Int]) {
    var merged: [Axis] = []
    for axis in axes where shape[axis] != 1 {
      let next = Axis(count: shape[axis], stride: ElementCount.product(shape[(axis + 1)...]))
      if let last = merged.last, last.stride == ElementCount.product([next.count, next.stride]) {
        merged[merged.count - 1] = Axis(count: ElementCount.product([last.count, next.count]), stride: next.stride)
      } else {
        merged.append(next)
      }
    }
    count = ElementCount.product(axes.lazy.map { shape[$0] })
    stride = merged.count <= 1 ? merged.first?.stride ?? 1 : nil
    self.axes = merged
  }

  /// The place of an index, counted from that of index 0.
  func offset(_ index: Int) -> Int {
    if let stride { return index * stride }
    var (rest, offset) = (index, 0)
    for axis in axes.reversed() {
      let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: axis.count)
      offset += remainder * axis.stride
      rest = quotient
    }
    return offset
  }
}
