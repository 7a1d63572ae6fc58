/// A part of a tensor that one thread sums: some columns of some runs of a ``UnitGrid``.
struct UnitJob: Sendable {
  let runs: Range<Int>
  /// The range of elements in each run.
  let columns: Range<Int>
  /// The first row (``UnitGrid/row(ofRun:)``) that is touched.
  let firstRow: Int
  /// The index of the job's first sum among those of all jobs. Each row has one sum for each of the job's columns, or a
  /// single one.
  let firstSum: Int
  let sumCount: Int

  var elementCount: Int { runs.count * columns.count }

  /// Calls `body` with the units that the job's sums belong to, in order.
  @inline(__always)
  func forEachUnitRun(_ grid: UnitGrid, _ body: (Range<Int>) -> Void) {
    guard grid.crossesUnits else { return body(firstRow..<firstRow + sumCount) }
    for row in firstRow..<firstRow + sumCount / columns.count {
      body(row * grid.runCount + columns.lowerBound..<row * grid.runCount + columns.upperBound)
    }
  }
}

extension UnitGrid {
  /// The least number of elements of a job, and the largest number of jobs along the runs.
  private static var leastJob: Int { 65_536 }
  private static var mostJobs: Int { 64 }

  /// Divides the tensor into jobs.
  ///
  /// Long runs that cross units are cut, so that the sums of a job stay in a first-level cache and no two jobs share
  /// units. Otherwise jobs have about equal numbers of elements. There are fewer jobs where their sums would take more
  /// memory than the units themselves or a few per cent of the tensor.
  func jobs() -> [UnitJob] {
    guard count > 0 else { return [] }
    let size = max(Self.leastJob, (count + Self.mostJobs - 1) / Self.mostJobs)
    let width: Int
    if crossesUnits {
      width = runCount <= 2 * Tile.count ? runCount : Tile.count
    } else {
      width = runCount <= 2 * size ? runCount : (size + Tile.count - 1) / Tile.count * Tile.count
    }
    var height = max(1, size / width)
    while true {
      let jobs = jobs(width: width, height: height)
      let sums = jobs.last.map { $0.firstSum + $0.sumCount } ?? 0
      if height >= runs || sums <= max(2 * unitCount, count / 32) { return jobs }
      height *= 2
    }
  }

  private func jobs(width: Int, height: Int) -> [UnitJob] {
    var (jobs, sums): ([UnitJob], Int) = ([], 0)
    for run in stride(from: 0, to: runs, by: height) {
      let runs = run..<min(run + height, runs)
      let rows = rows(ofRuns: runs)
      for column in stride(from: 0, to: runCount, by: width) {
        let columns = column..<min(column + width, runCount)
        let count = rows.count * (crossesUnits ? columns.count : 1)
        jobs.append(
          UnitJob(runs: runs, columns: columns, firstRow: rows.lowerBound, firstSum: sums, sumCount: count))
        sums += count
      }
    }
    return jobs
  }
}
