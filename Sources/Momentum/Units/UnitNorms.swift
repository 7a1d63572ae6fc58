/// Measures the 2-norms of the units of one tensor. It keeps its memory, so that measuring again allocates nothing.
///
/// The tensor is divided into jobs by its shape alone: a job is some runs of its ``UnitGrid``, or the same part of some
/// runs. Each job sums the squares of the units it touches into memory of its own; the sums of the jobs are then added
/// in order. So the bits do not depend on the number of threads.
///
/// A norm is within 2·10⁻⁷ (`Float`) or 10⁻¹⁴ (`Double`) of the exact one, for any number of elements, because the
/// rounding errors of additions are kept. It is right in the whole range of the type. It is NaN if an element of the
/// unit is NaN, else infinite if one is infinite; such an element does not affect other units.
///
/// Reads the tensor once. For `Double`s and for combinations, a unit's sum may be 0 or outside the range in which no
/// square is lost; one thread then reads such units once more.
final class UnitNorms<Scalar: BLASScalar>: @unchecked Sendable {  // threads write the sums of their own jobs only
  let grid: UnitGrid
  private let jobs: [UnitJob]
  /// The sums of all jobs, and the rounding errors of these sums.
  private let sumMemory, lostMemory: OwnedBuffer<Double>
  private let totalMemory: OwnedBuffer<UnitSum>
  private var sums: UnsafeMutablePointer<Double> { sumMemory.base }
  private var lost: UnsafeMutablePointer<Double> { lostMemory.base }
  private var totals: UnsafeMutablePointer<UnitSum> { totalMemory.base }

  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  init(_ grid: UnitGrid) throws(MomentumError) {
    self.grid = grid
    jobs = grid.jobs()
    let count = jobs.last.map { $0.firstSum + $0.sumCount } ?? 0
    sumMemory = try OwnedBuffer(count: count)
    lostMemory = try OwnedBuffer(count: count)
    totalMemory = try OwnedBuffer(count: grid.unitCount)
  }

  /// One of the tensors that are measured together.
  struct Request {
    let norms: UnitNorms
    let source: UnitSource<Scalar>
    /// The norms, one for each unit.
    let results: UnsafeMutableBufferPointer<ScaledDouble>
  }

  /// Measures one tensor.
  func measure(
    _ source: UnitSource<Scalar>, into results: UnsafeMutableBufferPointer<ScaledDouble>, _ team: ThreadTeam
  ) {
    Self.measure([Request(norms: self, source: source, results: results)], team)
  }

  /// Measures some tensors, starting the threads once.
  static func measure(_ requests: [Request], _ team: ThreadTeam) {
    let count = requests.reduce(0) { $0 + $1.norms.grid.count }
    if team.count > 1 {
      let shared = UnsafeTransfer(requests)
      team.run { thread in Self.run(shared.value, team.share(of: thread, count: count)) }
    } else {
      run(requests, 0..<count)
    }
    for request in requests { request.norms.finish(request.source, request.results) }
  }

  /// Runs the jobs that begin in a range of the elements of all requests.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func run(_ requests: [Request], _ share: Range<Int>) {
    withUnsafeTemporaryAllocation(byteCount: UnitTile<Scalar>.scratchByteCount, alignment: 64) { raw in
      var position = 0
      for request in requests {
        let tile = UnitTile(request.source, raw.baseAddress!)
        for job in request.norms.jobs {
          if share.contains(position) { request.norms.run(job, tile) }
          position += job.elementCount
        }
      }
    }
  }

  @inline(__always)
  private func run(_ job: UnitJob, _ tile: UnitTile<Scalar>) {
    (sums + job.firstSum).initialize(repeating: 0, count: job.sumCount)
    (lost + job.firstSum).initialize(repeating: 0, count: job.sumCount)
    if job.columns.count == grid.runCount {
      add(job.runs.lowerBound * grid.runCount..<job.runs.upperBound * grid.runCount, job, tile)
    } else {
      for run in job.runs {
        let origin = run * grid.runCount
        add(origin + job.columns.lowerBound..<origin + job.columns.upperBound, job, tile)
      }
    }
  }

  /// Adds the squares of consecutive elements.
  @inline(__always)
  private func add(_ elements: Range<Int>, _ job: UnitJob, _ tile: UnitTile<Scalar>) {
    var start = elements.lowerBound
    while start < elements.upperBound {
      let end = min(start + Tile.count, elements.upperBound)
      if tile.source.isCombination {
        addRuns(start..<end, UnsafePointer(tile.combination(at: start, end - start)), job)
      } else {
        addRuns(start..<end, tile.gradient(at: start, end - start), job)
      }
      start = end
    }
  }

  /// Adds the squares of a tile.
  @inline(__always)
  private func addRuns<S: BLASScalar>(_ elements: Range<Int>, _ x: UnsafePointer<S>, _ job: UnitJob) {
    let (sums, lost) = (sums + job.firstSum, lost + job.firstSum)
    let crossesUnits = grid.crossesUnits
    let compensates = !Scalar._hasExactSquares
    grid.forEachPart(in: elements) { start, n, row, column in
      let run = x + (start - elements.lowerBound)
      if crossesUnits {
        let place = (row - job.firstRow) * job.columns.count + column - job.columns.lowerBound
        if compensates {
          UnitLoops.addSquares(run, into: sums + place, lost + place, n)
        } else {
          UnitLoops.addSquares(run, into: sums + place, n)
        }
      } else {
        let place = row - job.firstRow
        var sum = UnitSum(sum: sums[place], lost: lost[place])
        sum.addSquares(run, n)
        (sums[place], lost[place]) = (sum.sum, sum.lost)
      }
    }
  }

  /// Adds up the sums of the jobs, and repeats sums that cannot be trusted by the careful path.
  private func finish(_ source: UnitSource<Scalar>, _ results: UnsafeMutableBufferPointer<ScaledDouble>) {
    totals.initialize(repeating: UnitSum(), count: grid.unitCount)
    for job in jobs {
      var place = job.firstSum
      job.forEachUnitRun(grid) { units in
        for unit in units {
          totals[unit].add(UnitSum(sum: sums[place], lost: lost[place]))
          place += 1
        }
      }
    }
    let canFail = !Scalar._hasExactSquares || source.isCombination
    let factor = source.isCombination ? ScaledDouble(1) : source.factor.magnitude
    var suspects: [Int: CarefulSum] = [:]
    let factorIsPlain = source.factor.double.isNormal || source.factor.significand == 0
    for unit in 0..<grid.unitCount {
      let sum = totals[unit].value
      results[unit] = ScaledDouble(sum).squareRoot() * factor
      // A NaN sum usually means a NaN element. In a combination it may also mean that two products of finite elements
      // overflowed to infinities of opposite sign, so such a sum is repeated.
      let isSuspect = sum < 0x1p-900 || sum == .infinity || (source.isCombination && (sum.isNaN || !factorIsPlain))
      if canFail, isSuspect { suspects[unit] = CarefulSum() }
    }
    guard !suspects.isEmpty else { return }
    sumCarefully(source, &suspects)
    for (unit, sum) in suspects { results[unit] = sum.norm * factor }
  }

  /// Sums the squares of some units once more, in a range that cannot overflow or underflow.
  @inline(never)
  private func sumCarefully(_ source: UnitSource<Scalar>, _ suspects: inout [Int: CarefulSum]) {
    withUnsafeTemporaryAllocation(byteCount: UnitTile<Scalar>.scratchByteCount, alignment: 64) { raw in
      let tile = UnitTile(source, raw.baseAddress!)
      for start in stride(from: 0, to: grid.count, by: Tile.count) {
        let end = min(start + Tile.count, grid.count)
        var gradient: UnsafePointer<Scalar>?
        grid.forEachRun(in: start..<end) { first, n, unit in
          if !grid.crossesUnits, suspects[unit] == nil { return }
          for i in 0..<n {
            let place = grid.crossesUnits ? unit + i : unit
            guard suspects[place] != nil else { continue }
            // A tile is prepared only when one of its elements is needed.
            let x = gradient ?? tile.gradient(at: start, end - start)
            gradient = x
            suspects[place]!.addSquare(of: tile.element(first + i, of: x[first + i - start]))
          }
        }
      }
    }
  }
}
