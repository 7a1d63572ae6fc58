/// The single pass of ``StepMode/onePass``: sums and updates tile by tile, as if nothing had to be clipped.
///
/// The tiles are divided into segments, whose number does not depend on the number of threads. Each segment keeps the
/// sum of its squares. When this sum exceeds the square of the limit, the norm of all tensors exceeds the limit too, so
/// the segment stops updating and only sums its other tiles. A NaN or infinite element stops it too, unless such
/// elements count as 0. Which tiles the pass updates therefore depends on the gradient and the segments, never on the
/// threads.
final class SpeculativePass {
  /// The largest number of segments: few enough that their ends cost nothing, and enough for as many threads.
  private static let mostSegments = 64

  /// The start of each segment in the concatenation of all tensors, and the end of the last one; all lie between tiles.
  private var bounds: [Int] = []
  /// The position up to which each segment was updated.
  private var updated: [Int] = []

  /// Sums all tiles into the table. In each segment, runs programs on the tiles before the one with which the segment's
  /// sum exceeds the limit.
  func run<Scalar>(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, largestSum: Double,
    algorithm: NormAlgorithm,
    ignoresNonFinite: Bool, _ team: ThreadTeam
  ) {
    if bounds.isEmpty {
      bounds = Self.bounds(table)
      updated = Array(bounds.dropLast())
    }
    let trial = Trial(
      largestSum: largestSum, measure: table.halves.algorithm(algorithm) == .blas ? .squares : .portableSquares,
      ignoresNonFinite: ignoresNonFinite)
    withSegments(team) { segments in
      team.run(TrialWork(table, programs, segments, trial, scratch: table.scratch(threads: team.mostCount)))
    }
  }

  /// Runs `corrections`, unless there are none, on the tiles that ``run(_:_:largestSum:algorithm:ignoresNonFinite:_:)``
  /// updated, and `programs` on all others.
  func finish<Scalar>(
    _ table: TensorTable<Scalar>, updated corrections: UnsafeBufferPointer<StepProgram>,
    rest programs: UnsafeBufferPointer<StepProgram>, _ team: ThreadTeam
  ) {
    withSegments(team) { segments in
      team.run(
        FinishingWork(table, corrections, programs, segments, scratch: table.scratch(threads: team.mostCount)))
    }
  }

  /// Whether the pass updated every tile.
  var updatedAll: Bool {
    for segment in updated.indices where updated[segment] != bounds[segment + 1] { return false }
    return true
  }

  private func withSegments(_ team: ThreadTeam, _ body: (Segments) -> Void) {
    bounds.withUnsafeBufferPointer { bounds in
      updated.withUnsafeMutableBufferPointer { body(Segments(bounds: bounds, updated: $0, team: team)) }
    }
  }

  /// Divides the concatenation at tile boundaries into segments of about equal length.
  private static func bounds<Scalar>(_ table: TensorTable<Scalar>) -> [Int] {
    let segments = max(1, min(mostSegments, table.tiles / 4))
    var bounds = (0..<segments).map { table.tileStart(atOrAfter: table.count / segments * $0) }
    bounds.append(table.count)
    return bounds
  }
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
  let bounds: UnsafeBufferPointer<Int>
  let updated: UnsafeMutableBufferPointer<Int>
  let team: ThreadTeam

  /// The segments of one thread.
  func share(of thread: Int) -> Range<Int> {
    updated.count * thread / team.count..<updated.count * (thread + 1) / team.count
  }

  /// All elements of a segment.
  subscript(segment: Int) -> Range<Int> { bounds[segment]..<bounds[segment + 1] }
}

/// Each thread writes the elements of its own segments.
private struct TrialWork<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {
  private let table: TensorTable<Scalar>
  private let programs: UnsafeBufferPointer<StepProgram>
  private let segments: Segments
  private let trial: Trial
  private let scratch: UnsafeMutableRawPointer

  init(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, _ segments: Segments, _ trial: Trial,
    scratch: UnsafeMutableRawPointer
  ) {
    (self.table, self.programs, self.segments) = (table, programs, segments)
    (self.trial, self.scratch) = (trial, scratch)
  }

  func run(thread: Int) {
    Self.run(
      table, segments, segments.share(of: thread), programs, trial, ThreadScratch<Scalar>(scratch, thread: thread))
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func run(
    _ table: TensorTable<Scalar>, _ segments: Segments, _ share: Range<Int>,
    _ programs: UnsafeBufferPointer<StepProgram>, _ trial: Trial, _ scratch: ThreadScratch<Scalar>
  ) {
    if table.usesHalves { return runHalves(table, segments, share, programs, trial, scratch) }
    var runner = TileRunner<Scalar>(scratch)
    var loaded = -1
    let squares = TileSquares<Scalar>(prefersLoops: table.kernels.prefersLoops)
    var several = TileSquares<Scalar>.Sums(repeating: 0)
    var sumsSquares = false
    if case .squares = trial.measure { sumsSquares = true }
    for segment in share {
      var (sum, updated, isUpdating) = (0.0, segments[segment].lowerBound, true)
      table.forEach(in: segments[segment]) { index, part in
        let entry = table.entry(index)
        guard let gradient = entry.pointee.gradient else { return }
        if loaded != entry.pointee.program {
          runner.program.load(
            programs.baseAddress! + entry.pointee.program, cacheBytes: table.cacheBytes, table.kernels)
          loaded = entry.pointee.program
        }
        runner.current.bind(table, index, at: 0)
        runner.begin()
        var (start, tiles) = (part.lowerBound, 1)
        while start < part.upperBound {
          if sumsSquares {
            tiles = squares.sum(gradient + start, part.upperBound - start, into: &several, copy: scratch.gradientTile)
          }
          let first = start
          for number in 0..<tiles {
            let n = min(Tile.count, part.upperBound - start)
            let tile =
              sumsSquares
              ? TileSum.squares(several[number], gradient + start, n)
              : .measure(gradient + start, n, trial.measure)
            table.sums[entry.pointee.firstTile + start / Tile.count] = tile
            if isUpdating { isUpdating = trial.goesOn(after: tile, &sum) }
            start += n
            if isUpdating { updated = entry.pointee.offset + start }
          }
          let end = updated - entry.pointee.offset
          if end > first { runner.run(first..<end) }
        }
      }
      segments.updated[segment] = updated
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
  private let table: TensorTable<Scalar>
  private let corrections, programs: UnsafeBufferPointer<StepProgram>
  private let segments: Segments
  private let scratch: UnsafeMutableRawPointer

  init(
    _ table: TensorTable<Scalar>, _ corrections: UnsafeBufferPointer<StepProgram>,
    _ programs: UnsafeBufferPointer<StepProgram>, _ segments: Segments, scratch: UnsafeMutableRawPointer
  ) {
    (self.table, self.corrections, self.programs) = (table, corrections, programs)
    (self.segments, self.scratch) = (segments, scratch)
  }

  func run(thread: Int) {
    let scratch = ThreadScratch<Scalar>(scratch, thread: thread)
    for segment in segments.share(of: thread) {
      let (all, middle) = (segments[segment], segments.updated[segment])
      if !corrections.isEmpty { TensorTable.update(table, all.lowerBound..<middle, corrections, scratch) }
      TensorTable.update(table, middle..<all.upperBound, programs, scratch)
    }
  }
}

extension TensorTable {
  /// The start of the first tile at a position of the concatenation or behind it.
  func tileStart(atOrAfter position: Int) -> Int {
    for entry in entries where entry.offset + entry.count > position {
      let inside = max(0, position - entry.offset)
      return entry.offset + min(entry.count, (inside + Tile.count - 1) / Tile.count * Tile.count)
    }
    return count
  }
}
