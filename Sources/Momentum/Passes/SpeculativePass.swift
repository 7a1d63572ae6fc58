/// The single pass of ``StepMode/onePass``: sums and updates tile by tile, as if nothing had to be clipped.
///
/// The tiles are divided into segments, whose number does not depend on the number of threads. Each segment keeps the
/// sum of its squares. When this sum exceeds the square of the limit, the norm of all tensors exceeds the limit too, so
/// the segment stops updating and only sums its other tiles. A NaN or infinite element stops it too, unless such
/// elements count as 0. Which tiles the pass updates therefore depends on the gradient and the segments, never on the
/// threads.
final class SpeculativePass {
  /// Made by the first pass.
  private var segments: Segments?

  deinit { segments?.deallocate() }

  /// Sums all tiles into the table. In each segment, runs programs on the tiles before the one with which the segment's
  /// sum exceeds the limit.
  func run<Scalar>(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, largestSum: Double,
    algorithm: NormAlgorithm,
    ignoresNonFinite: Bool, _ team: ThreadTeam
  ) {
    let segments = segments ?? Segments(table)
    self.segments = segments
    let trial = Trial(
      largestSum: largestSum, measure: table.halves.algorithm(algorithm) == .blas ? .squares : .portableSquares,
      ignoresNonFinite: ignoresNonFinite)
    let scratch = table.scratch(threads: team.mostCount)
    if team.count == 1 {
      TrialWork.run(table, segments, segments.all, programs, trial, ThreadScratch(scratch, thread: 0))
    } else {
      team.run(
        TrialWork(
          table: table, programs: programs, segments: segments, trial: trial, team: team, scratch: scratch))
    }
  }

  /// Runs `corrections`, unless there are none, on the tiles that ``run(_:_:largestSum:algorithm:ignoresNonFinite:_:)``
  /// updated, and `programs` on all others.
  func finish<Scalar>(
    _ table: TensorTable<Scalar>, updated corrections: UnsafeBufferPointer<StepProgram>,
    rest programs: UnsafeBufferPointer<StepProgram>, _ team: ThreadTeam
  ) {
    guard let segments else { return }
    team.run(
      FinishingWork(
        table: table, corrections: corrections, programs: programs, segments: segments, team: team,
        scratch: table.scratch(threads: team.mostCount)))
  }

  /// Whether the pass updated every tile.
  var updatedAll: Bool { segments?.areUpdated ?? false }
}

/// The criterion by which a segment stops updating.
private struct Trial: Sendable {
  let largestSum: Double
  let measure: TileMeasure
  let ignoresNonFinite: Bool

  /// Adds the next tile to the sum of a segment.
  ///
  /// - Returns: Whether the segment goes on updating.
  @inline(__always)
  func goesOn(after tile: TileSum, _ sum: inout Double) -> Bool {
    sum += tile.exponent == 0 ? tile.value : ScaledDouble(tile.value, exponent: Int(tile.exponent)).double
    // The comparison is written so that NaN stops the updates.
    return sum <= largestSum && (ignoresNonFinite || (tile.nan == 0 && tile.infinity == 0))
  }
}

/// The segments, and the position up to which each was updated.
private struct Segments: @unchecked Sendable {  // each thread writes those of its own segments
  /// The largest number of segments: few enough that their ends cost nothing, and enough for as many threads.
  private static let most = 64

  private let count: Int
  /// The start of each segment in the concatenation of all tensors, and the end of the last one; all lie between tiles.
  private let bounds: UnsafeMutablePointer<Int>
  /// The position up to which each segment was updated.
  let updated: UnsafeMutablePointer<Int>

  /// Divides the concatenation at tile boundaries into segments of about equal length.
  init<Scalar>(_ table: TensorTable<Scalar>) {
    count = max(1, min(Self.most, table.tiles / 4))
    bounds = .allocate(capacity: 2 * count + 1)
    updated = bounds + (count + 1)
    for segment in 0..<count {
      (bounds + segment).initialize(to: table.tileStart(atOrAfter: table.count / count * segment))
      (updated + segment).initialize(to: 0)
    }
    (bounds + count).initialize(to: table.count)
  }

  func deallocate() { bounds.deallocate() }

  /// All segments.
  var all: Range<Int> { 0..<count }

  /// The segments of one thread.
  func share(of thread: Int, _ team: ThreadTeam) -> Range<Int> {
    count * thread / team.count..<count * (thread + 1) / team.count
  }

  /// All elements of a segment.
  subscript(segment: Int) -> Range<Int> { bounds[segment]..<bounds[segment + 1] }

  /// Whether every segment was updated to its end.
  var areUpdated: Bool {
    for segment in 0..<count where updated[segment] != bounds[segment + 1] { return false }
    return true
  }
}

/// Each thread writes the elements of its own segments.
private struct TrialWork<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {
  let table: TensorTable<Scalar>
  let programs: UnsafeBufferPointer<StepProgram>
  let segments: Segments
  let trial: Trial
  let team: ThreadTeam
  let scratch: UnsafeMutableRawPointer

  func run(thread: Int) {
    Self.run(
      table, segments, segments.share(of: thread, team), programs, trial, ThreadScratch<Scalar>(scratch, thread: thread)
    )
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func run(
    _ table: TensorTable<Scalar>, _ segments: Segments, _ share: Range<Int>,
    _ programs: UnsafeBufferPointer<StepProgram>, _ trial: Trial, _ scratch: ThreadScratch<Scalar>
  ) {
    if table.usesHalves { return runHalves(table, segments, share, programs, trial, scratch) }
    var (runner, loaded) = (TileRunner<Scalar>(scratch), -1)
    var summing: SummingLoop<Scalar>?
    var ahead = 1
    let squares = TileSquares<Scalar>(prefersLoops: table.kernels.prefersLoops)
    var sumsSquares = false
    if case .squares = trial.measure { sumsSquares = true }
    // With no more tiles than tensors there is hardly one to come.
    let sumsBeside = sumsSquares && table.tiles > table.entries.count && squares.sumsBesideProgram(of: table.tiles)
    for segment in share {
      var (sum, updated, isUpdating) = (0.0, segments[segment].lowerBound, true)
      table.forEach(in: segments[segment]) { index, part in
        let entry = table.entry(index)
        guard isUpdating, let gradient = entry.pointee.gradient else { return }
        if loaded != entry.pointee.program {
          runner.program.load(
            programs.baseAddress! + entry.pointee.program, cacheBytes: table.cacheBytes, table.kernels)
          loaded = entry.pointee.program
          summing = sumsBeside ? runner.program.summingLoop : nil
          // Two side by side keep a processor busy, and are still near when the program comes; more are not.
          ahead = summing == nil && squares.takesSeveral(of: table.tiles) ? 2 : 1
        }
        runner.current.bind(table, index, at: 0)
        runner.begin()
        var start = part.lowerBound
        let end = part.upperBound
        // The sums of the next tiles: how many are known, and how many of them have been used.
        var (sums, known, used) = (TileSquares<Scalar>.Sums(repeating: 0), 0, 0)
        while start < end {
          let (x, n) = (gradient + start, min(Tile.count, end - start))
          if sumsSquares, used == known {
            known = squares.sum(x, min(ahead * Tile.count, end - start), into: &sums, copy: scratch.gradientTile)
            used = 0
          }
          let tile: TileSum = sumsSquares ? .squares(sums[used], x, n) : .measure(x, n, trial.measure)
          used += 1
          table.sums[entry.pointee.firstTile + start / Tile.count] = tile
          isUpdating = trial.goesOn(after: tile, &sum)
          guard isUpdating else { return }
          let range = start..<start + n
          start = range.upperBound
          if let summing, start < end {
            let next = UnsafePointer(gradient + start)
            sums[0] = squares.sum(ofTile: min(Tile.count, end - start)) { whole, lanes in
              runner.run(range, summing, next: next, whole, into: lanes)
              return next + whole
            }
            (known, used) = (1, 0)
          } else {
            runner.run(range)
          }
          updated = entry.pointee.offset + start
        }
      }
      segments.updated[segment] = updated
      // The rest is only summed, and with it the tile that stopped the updates once more.
      if !isUpdating { table.sum(updated..<segments[segment].upperBound, trial.measure, scratch) }
    }
  }

  /// The same for operands in half precision.
  @inline(never)
  private static func runHalves(
    _ table: TensorTable<Scalar>, _ segments: Segments, _ share: Range<Int>,
    _ programs: UnsafeBufferPointer<StepProgram>, _ trial: Trial, _ scratch: ThreadScratch<Scalar>
  ) {
    var runner = HalfRunner(table, scratch)
    for segment in share {
      var (sum, updated, isUpdating) = (0.0, segments[segment].lowerBound, true)
      table.forEach(in: segments[segment]) { index, part in
        let entry = table.entry(index)
        guard entry.pointee.gradient != nil else { return }
        runner.load(entry.pointee.program, of: programs)
        for start in stride(from: part.lowerBound, to: part.upperBound, by: Tile.count) {
          let n = min(Tile.count, part.upperBound - start)
          let tile = table.measureGradient(index, at: start, n, trial.measure, scratch)
          table.sums[entry.pointee.firstTile + start / Tile.count] = tile
          guard isUpdating else { continue }
          isUpdating = trial.goesOn(after: tile, &sum)
          guard isUpdating else { continue }
          runner.run(index, start..<start + n)
          updated = entry.pointee.offset + start + n
        }
      }
      segments.updated[segment] = updated
    }
  }
}

/// Each thread writes the elements of its own segments.
private struct FinishingWork<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {
  let table: TensorTable<Scalar>
  let corrections, programs: UnsafeBufferPointer<StepProgram>
  let segments: Segments
  let team: ThreadTeam
  let scratch: UnsafeMutableRawPointer

  func run(thread: Int) {
    let scratch = ThreadScratch<Scalar>(scratch, thread: thread)
    for segment in segments.share(of: thread, team) {
      let (all, middle) = (segments[segment], segments.updated[segment])
      if !corrections.isEmpty { TensorTable.update(table, all.lowerBound..<middle, corrections, scratch) }
      TensorTable.update(table, middle..<all.upperBound, programs, scratch)
    }
  }
}

extension TensorTable {
  /// Leaves the sums of the tiles that begin in a share in the table.
  fileprivate func sum(_ share: Range<Int>, _ measure: TileMeasure, _ scratch: ThreadScratch<Scalar>) {
    if case .squares = measure { return Self.sumSquares(self, share, scratch) }
    forEach(in: share) { index, part in
      let entry = entry(index)
      guard let gradient = entry.pointee.gradient else { return }
      for start in stride(from: part.lowerBound, to: part.upperBound, by: Tile.count) {
        let n = min(Tile.count, part.upperBound - start)
        sums[entry.pointee.firstTile + start / Tile.count] = .measure(gradient + start, n, measure)
      }
    }
  }

  /// The start of the first tile at a position of the concatenation or behind it.
  func tileStart(atOrAfter position: Int) -> Int {
    for entry in entries where entry.offset + entry.count > position {
      let inside = max(0, position - entry.offset)
      return entry.offset + min(entry.count, (inside + Tile.count - 1) / Tile.count * Tile.count)
    }
    return count
  }
}
