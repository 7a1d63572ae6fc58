/// The criterion by which a segment stops updating.
struct SpeculativeTrial: Sendable {
  let largestSum: Double
  let measure: TileMeasure
  let ignoresNonFinite: Bool

  /// Whether tiles are summed as BLAS sums them.
  @inline(__always)
  var sumsSquares: Bool { if case .squares = measure { true } else { false } }

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

/// The work of a ``SpeculativePass``: each thread writes the elements of its own segments.
struct SpeculativeWork<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {
  let table: TensorTable<Scalar>
  let programs: UnsafeBufferPointer<StepProgram>
  /// The loop of the only program, if there is one.
  let loop: ProgramLoop<Scalar>?
  let segments: SpeculativeSegments
  let trial: SpeculativeTrial
  let team: ThreadTeam
  let scratch: UnsafeMutableRawPointer

  /// What has become of a segment: the sum of its tiles so far, and the position up to which it is updated.
  private struct Progress {
    var sum = 0.0
    var updated: Int
    var isUpdating = true
  }

  func run(thread: Int) {
    Self.run(
      table, programs, loop, segments, segments.share(of: thread, team), trial, ThreadScratch(scratch, thread: thread))
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func run(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, _ onlyLoop: ProgramLoop<Scalar>?,
    _ segments: SpeculativeSegments, _ share: Range<Int>, _ trial: SpeculativeTrial, _ scratch: ThreadScratch<Scalar>
  ) {
    if table.usesHalves { return runHalves(table, programs, segments, share, trial, scratch) }
    let squares = TileSquares<Scalar>(prefersLoops: table.kernels.prefersLoops)
    let tilesOfThread = table.tiles &* share.count / segments.all.count
    // With no more tiles than tensors there is hardly one to come.
    let sumsBeside = table.tiles > table.entries.count && squares.sumsBesideProgram(of: tilesOfThread)
    if let loop = onlyLoop, trial.sumsSquares {
      forEachPart(of: segments, share, table, trial, scratch) { index, part, progress in
        run(loop, sumsBeside && loop.canSum, index, part, table, trial, squares, &progress, scratch)
      }
      return
    }
    var (runner, loaded) = (TileRunner<Scalar>(scratch), -1)
    forEachPart(of: segments, share, table, trial, scratch) { index, part, progress in
      let program = table.entry(index).pointee.program
      if loaded != program {
        loaded = program
        runner.program.load(
          programs.baseAddress.unsafelyUnwrapped + program, cacheBytes: table.cacheBytes, table.kernels,
          seeksSummingLoop: sumsBeside)
      }
      if let loop = runner.program.loop, trial.sumsSquares {
        return run(loop, sumsBeside && loop.canSum, index, part, table, trial, squares, &progress, scratch)
      }
      runner.current.bind(table, index, at: 0)
      runner.begin()
      runTiles(index, part, table, trial, &progress) {
        table.measureGradient(index, at: $0, $1, trial.measure, squares, scratch)
      } update: {
        runner.run($0)
      }
    }
  }

  /// The same for operands in half precision.
  @inline(never)
  private static func runHalves(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, _ segments: SpeculativeSegments,
    _ share: Range<Int>, _ trial: SpeculativeTrial, _ scratch: ThreadScratch<Scalar>
  ) {
    var runner = HalfRunner(table, scratch)
    forEachPart(of: segments, share, table, trial, scratch) { index, part, progress in
      runner.load(table.entry(index).pointee.program, of: programs)
      runTiles(index, part, table, trial, &progress) {
        table.measureGradient(index, at: $0, $1, trial.measure, scratch)
      } update: {
        runner.run(index, $0)
      }
    }
  }

  /// Calls `body` for the parts of tensors with a gradient that lie in some segments, until it stops updating the segment. Keeps up to
  /// where each segment is updated, and sums the rest.
  @inline(__always)
  private static func forEachPart(
    of segments: SpeculativeSegments, _ share: Range<Int>, _ table: TensorTable<Scalar>, _ trial: SpeculativeTrial,
    _ scratch: ThreadScratch<Scalar>, _ body: (_ index: Int, _ part: Range<Int>, inout Progress) -> Void
  ) {
    for segment in share {
      let range = segments[segment]
      var progress = Progress(updated: range.lowerBound)
      table.forEach(in: range) { index, part in
        if progress.isUpdating, table.entry(index).pointee.gradient != nil { body(index, part, &progress) }
      }
      segments.updated[segment] = progress.updated
      // The rest is only summed, and with it the tile that stopped the updates once more.
      if !progress.isUpdating { table.sum(progress.updated..<range.upperBound, trial.measure, scratch) }
    }
  }

  /// Sums and updates a part of a tensor by a loop. Tiles are summed some before they are updated.
  ///
  /// - Parameter sumsBeside: Whether a tile is summed while another one is updated.
  @inline(__always)
  private static func run(
    _ loop: ProgramLoop<Scalar>, _ sumsBeside: Bool, _ index: Int, _ part: Range<Int>, _ table: TensorTable<Scalar>,
    _ trial: SpeculativeTrial, _ squares: TileSquares<Scalar>, _ progress: inout Progress,
    _ scratch: ThreadScratch<Scalar>
  ) {
    let (entry, places) = (table.entry(index), OperandPlaces(table, tensor: index, at: 0))
    let gradient = UnsafePointer(entry.pointee.gradient.unsafelyUnwrapped)
    // Two side by side keep a processor busy, and are still near when the program comes; more are not.
    let most = squares.takesSeveral(of: sumsBeside ? 2 : table.tiles) ? 2 * Tile.count : Tile.count
    // The sums of the tiles from `start` up to `next` are known, from a slot on.
    var (sums, slot) = (TileSquares<Scalar>.Sums(repeating: 0), 0)
    var (start, next) = (part.lowerBound, part.lowerBound)
    let end = part.upperBound
    while start < end {
      if start >= next {
        let tiles = squares.sum(gradient + next, min(most, end &- next), into: &sums, copy: scratch.gradientTile)
        (slot, next) = (0, next &+ tiles &* Tile.count)
      }
      let n = min(Tile.count, end &- start)
      let tile = TileSum.squares(sums[slot], gradient + start, n)
      table.sums[entry.pointee.firstTile &+ Tile.number(of: start)] = tile
      progress.isUpdating = trial.goesOn(after: tile, &progress.sum)
      guard progress.isUpdating else { return }
      start &+= n
      if sumsBeside, start == next, next < end {
        let x = gradient + next
        sums[slot] = squares.sum(ofTile: min(Tile.count, end &- next)) { whole, lanes in
          loop.runSumming(places, at: start &- n, n, next: x, whole, into: lanes)
          return x + whole
        }
        next &+= Tile.count
      } else {
        loop.run(places, at: start &- n, n)
        slot &+= 1
      }
      progress.updated = entry.pointee.offset &+ start
    }
  }

  /// The same by any means, tile by tile.
  @inline(__always)
  private static func runTiles(
    _ index: Int, _ part: Range<Int>, _ table: TensorTable<Scalar>, _ trial: SpeculativeTrial,
    _ progress: inout Progress, measure: (_ start: Int, _ n: Int) -> TileSum, update: (Range<Int>) -> Void
  ) {
    let entry = table.entry(index)
    for start in stride(from: part.lowerBound, to: part.upperBound, by: Tile.count) {
      let n = min(Tile.count, part.upperBound - start)
      let tile = measure(start, n)
      table.sums[entry.pointee.firstTile + start / Tile.count] = tile
      progress.isUpdating = trial.goesOn(after: tile, &progress.sum)
      guard progress.isUpdating else { return }
      update(start..<start + n)
      progress.updated = entry.pointee.offset + start + n
    }
  }
}

extension TensorTable {
  /// Measures n elements of a gradient of `Scalar`s.
  @inline(__always)
  fileprivate func measureGradient(
    _ index: Int, at start: Int, _ n: Int, _ measure: TileMeasure, _ squares: TileSquares<Scalar>,
    _ scratch: ThreadScratch<Scalar>
  ) -> TileSum {
    let x = entry(index).pointee.gradient.unsafelyUnwrapped + start
    guard case .squares = measure else { return .measure(x, n, measure, copy: scratch.gradientTile) }
    var sums = TileSquares<Scalar>.Sums(repeating: 0)
    _ = squares.sum(x, n, into: &sums, copy: scratch.gradientTile)
    return .squares(sums[0], x, n)
  }

  /// Leaves the sums of the tiles that begin in a share in the table.
  fileprivate func sum(_ share: Range<Int>, _ measure: TileMeasure, _ scratch: ThreadScratch<Scalar>) {
    if case .squares = measure {
      Self.sumSquares(self, share, scratch)
    } else {
      Self.measureTiles(self, share, measure, scratch)
    }
  }
}
