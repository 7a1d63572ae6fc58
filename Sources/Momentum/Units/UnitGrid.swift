/// The units of one shape, as runs of consecutive elements.
///
/// Axes are of two kinds: norms run over them, or they are held fixed. Adjacent axes of the same kind are treated as
/// one, and axes of length 1 are ignored. The innermost axis makes the runs: either all elements of a run lie in one
/// unit, or they lie in consecutive units, one each. Units are numbered in row-major order of the axes that are held
/// fixed.
struct UnitGrid: Sendable, Hashable {
  /// Adjacent axes of the same kind, outside a run.
  struct Level: Sendable, Hashable {
    let extent: Int
    /// The step in unit numbers from one index to the next; 0 if norms run over these axes.
    let step: Int
  }

  /// The number of elements.
  let count: Int
  let unitCount: Int
  /// The number of elements in a run, at least 1.
  let runCount: Int
  /// Whether a run goes through consecutive units, instead of staying in one.
  let crossesUnits: Bool
  /// The levels that number the runs, innermost first. A step counts units that are ``runUnits`` apart.
  let levels: [Level]

  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  init(_ shape: [Int], _ units: TensorUnits, tensor: String) throws(MomentumError) {
    let summed = try units.summedAxes(of: shape, tensor: tensor)
    var groups: [(extent: Int, summed: Bool)] = []
    // A tensor without elements is one empty unit, whatever the product of its other axes is.
    let axes = shape.contains(0) ? [(0, true)] : Array(zip(shape, summed))
    for (extent, summed) in axes.reversed() where extent != 1 {
      if let last = groups.last, last.summed == summed {
        groups[groups.count - 1].extent *= extent
      } else {
        groups.append((extent, summed))
      }
    }
    count = groups.reduce(1) { $0 * $1.extent }
    unitCount = groups.reduce(1) { $1.summed ? $0 : $0 * $1.extent }
    let run = groups.first ?? (1, true)
    (runCount, crossesUnits) = (max(run.extent, 1), !run.summed)
    var (levels, step): ([Level], Int) = ([], 1)
    for group in groups.dropFirst() {
      levels.append(Level(extent: group.extent, step: group.summed ? 0 : step))
      if !group.summed { step *= group.extent }
    }
    self.levels = levels
  }

  /// Whether all elements make up one unit.
  var isWhole: Bool { unitCount == 1 }
  /// The number of units that a run touches.
  var runUnits: Int { crossesUnits ? runCount : 1 }
  /// The number of runs.
  var runs: Int { count / runCount }

  /// The row of a run: the number of its first unit, in multiples of ``runUnits``.
  @inline(__always)
  func row(ofRun run: Int) -> Int {
    // Most tensors have one level or none.
    guard levels.count > 1 else { return levels.isEmpty ? 0 : run * levels[0].step }
    return outerRow(ofRun: run)
  }

  private func outerRow(ofRun run: Int) -> Int {
    var (rest, row) = (run, 0)
    for level in levels {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: level.extent)
      row += index * level.step
      rest = quotient
    }
    return row
  }

  /// The first and the last row of some runs, or wider limits.
  func rows(ofRuns runs: Range<Int>) -> ClosedRange<Int> {
    guard let last = runs.last else { return 0...0 }
    var (low, high) = (runs.lowerBound, last)
    var (least, most) = (0, 0)
    for level in levels {
      let (lowIndex, highIndex) = (low % level.extent, high % level.extent)
      low /= level.extent
      high /= level.extent
      // If an outer index differs, the inner indices take all their values.
      least += low == high ? lowIndex * level.step : 0
      most += (low == high ? highIndex : level.extent - 1) * level.step
    }
    return least...most
  }

  /// Calls `body` for every part of a run that lies in a range of the elements.
  ///
  /// - Parameter body: Gets the first element, the number of elements and the first unit of the part.
  @inline(__always)
  func forEachRun(in range: Range<Int>, _ body: (_ start: Int, _ count: Int, _ unit: Int) -> Void) {
    forEachPart(in: range) { start, count, row, column in
      body(start, count, crossesUnits ? row * runCount + column : row)
    }
  }

  /// Calls `body` for every part of a run that lies in a range of the elements.
  ///
  /// - Parameter body: Gets the first element and the number of elements of the part, the row of its run, and the
  ///   part's start in the run.
  @inline(__always)
  func forEachPart(in range: Range<Int>, _ body: (_ start: Int, _ count: Int, _ row: Int, _ column: Int) -> Void) {
    guard !range.isEmpty else { return }
    var start = range.lowerBound
    var run = start / runCount
    while start < range.upperBound {
      let origin = run * runCount
      let end = min(origin + runCount, range.upperBound)
      body(start, end - start, row(ofRun: run), start - origin)
      start = end
      run += 1
    }
  }
}
