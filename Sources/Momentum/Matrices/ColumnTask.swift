/// Tasks on some columns of tiles of a matrix.
protocol ColumnTask<Scalar> {
  associatedtype Scalar: BLASScalar

  /// The number of tasks for some columns.
  func count(_ columns: Range<Int>) -> Int

  /// Does one of the tasks.
  func run(_ index: Int, _ columns: Range<Int>, _ scratch: UnsafeMutablePointer<Scalar>)
}

extension TaskCrew {
  /// Does all tasks on some columns; returns when they are done.
  func run(_ task: some ColumnTask<Scalar>, _ columns: Range<Int>) {
    run(OnColumns(task: task, columns: columns), count: task.count(columns))
  }
}

private struct OnColumns<Task: ColumnTask>: MatrixTask {
  let task: Task
  let columns: Range<Int>

  func run(_ index: Int, _ scratch: UnsafeMutablePointer<Task.Scalar>) { task.run(index, columns, scratch) }
}

extension TiledMatrix {
  /// So many columns of tiles, from one on, that a last-level cache holds them: 2²⁰ elements. Of more than 1024 rows more, since
  /// sums of products are fetched and stored for each piece: at least 16 columns.
  func piece(from start: Int) -> Range<Int> {
    let count = max(16, (1 << 20) / (MatrixTile.count * max(tileRows, 1)))
    return start..<min(start + count, tileColumns)
  }
}
