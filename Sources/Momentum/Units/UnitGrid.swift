/// The units of one shape, as runs of consecutive elements.
///
/// Adjacent axes of a kind are taken for one, and axes of length 1 for none. The innermost kind makes runs: either all elements
/// of a run lie in one unit, or they lie in consecutive units, one each. Units are numbered in row-major order of the
/// axes that are held fixed.
struct UnitGrid: Sendable, Hashable {
  /// Some adjacent axes of a kind, outside of a run.
  struct Level: Sendable, Hashable {
    let extent: Int
    /// From one index to the next; 0 if norms run over these axes.
    let step: Int
  }

  /// The number of elements.
  let count: Int
  let unitCount: Int
  /// The number of elements in a run, at least 1.
  let runCount: Int
  /// Whether a run goes through consecutive units, rather than stay in one.
  let crossesUnits: Bool
  /// What numbers the runs, innermost first. A step counts units that are ``runUnits`` apart.
  let levels: [Level]

  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  init(_ shape: [Int], _ units: TensorUnits, tensor: String) throws(MomentumError) {
    let summed = try units.summedAxes(of: shape, tensor: tensor)
    var groups: [(extent: Int, summed: Bool)] = []
    // A tensor without elements is one unit without elements, whatever its other axes multiply to.
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
  /// How many units a run touches.
  var runUnits: Int { crossesUnits ? runCount : 1 }
  /// The number of runs.
  var runs: Int { count / runCount }

  /// What the first unit of a run is, in multiples of ``runUnits``.
  @inline(__always)
  func row(ofRun run: Int) -> Int {
    // Most tensors have no level, or one.
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

  /// The first and the last row among some runs, or wider limits.
  func rows(ofRuns runs: Range<Int>) -> ClosedRange<Int> {
    guard let last = runs.last else { return 0...0 }
    var (low, high) = (runs.lowerBound, last)
    var (least, most) = (0, 0)
    for level in levels {
      let (lowIndex, highIndex) = (low % level.extent, high % level.extent)
      low /= level.extent
      high /= level.extent
      // Where an outer index differs, the inner ones go through all their values.
      least += low == high ? lowIndex * level.step : 0
      most += (low == high ? highIndex : level.extent - 1) * level.step
    }
    return least...most
  }

  /// Calls `body` for every part of a run that lies in a range of the elements.
  ///
  /// - Parameter body: Gets the first element, the number of elements and the first unit.
  @inline(__always)
  func forEachRun(in range: Range<Int>, _ body: (_ start: Int, _ count: Int, _ unit: Int) -> Void) {
    forEachPart(in: range) { start, count, row, column in
      body(start, count, crossesUnits ? row * runCount + column : row)
    }
  }

  /// Calls `body` for every part of a run that lies in a range of the elements.
  ///
  /// - Parameter body: Gets the first element, the number of elements, the row of the run, and where in the run the part begins.
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
