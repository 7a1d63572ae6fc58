/// The work of a ``SpeculativePass``: each thread writes the elements of its own segments.
struct SpeculativeWork<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {
  let table: TensorTable<Scalar>
  let programs: UnsafeBufferPointer<StepProgram>
  /// The loop of the only program, if it has a ``SpeculativeLoop``.
  let loop: ProgramLoop<Scalar>?
  let segments: SpeculativeSegments
  let order: PassOrder
  let trial: SpeculativeTrial<Scalar>
  let team: ThreadTeam
  let scratch: UnsafeMutableRawPointer

  /// What has become of a segment: the sum of its pieces so far, and the position up to which it is updated.
  private struct Progress {
    var sum = 0.0
    var updated: Int
    var isUpdating = true
  }

  func run(thread: Int) {
    Self.run(
      table, programs, loop, segments, order.numbers(in: segments.share(of: thread, team)), trial,
      ThreadScratch(scratch, thread: thread))
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func run(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, _ onlyLoop: ProgramLoop<Scalar>?,
    _ segments: SpeculativeSegments, _ share: StrideTo<Int>, _ trial: SpeculativeTrial<Scalar>,
    _ scratch: ThreadScratch<Scalar>
  ) {
    if table.usesHalves { return runHalves(table, programs, segments, share, trial, scratch) }
    if let loop = onlyLoop, trial.sumsByDot {
      return forEachPart(of: segments, share, table, trial, scratch) { index, part, progress in
        run(loop, index, part, table, trial, &progress, scratch)
      }
    }
    let squares = TileSquares<Scalar>(prefersLoops: table.kernels.prefersLoops)
    var (runner, loaded) = (TileRunner<Scalar>(scratch), -1)
    forEachPart(of: segments, share, table, trial, scratch) { index, part, progress in
      let program = table.entry(index).pointee.program
      if loaded != program {
        loaded = program
        runner.program.load(
          programs.baseAddress.unsafelyUnwrapped + program, cacheBytes: table.cacheBytes, table.kernels,
          speculates: trial.sumsByDot)
      }
      if let loop = runner.program.loop, loop.canSpeculate {
        return run(loop, index, part, table, trial, &progress, scratch)
      }
      runner.current.bind(table, index, at: 0)
      runner.begin()
      guard trial.sumsByDot else {
        return runTiles(index, part, table, trial, &progress) {
          table.measureGradient(index, at: $0, $1, trial.measure, scratch)
        } update: {
          runner.run($0)
        }
      }
      for start in stride(from: part.lowerBound, to: part.upperBound, by: Tile.count) where progress.isUpdating {
        let tile = start..<min(start + Tile.count, part.upperBound)
        runTile(tile, from: start, of: index, table, trial, squares, &progress, scratch) { runner.run($0) }
      }
    }
  }

  /// The same for operands in half precision.
  @inline(never)
  private static func runHalves(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, _ segments: SpeculativeSegments,
    _ share: StrideTo<Int>, _ trial: SpeculativeTrial<Scalar>, _ scratch: ThreadScratch<Scalar>
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
    of segments: SpeculativeSegments, _ share: StrideTo<Int>, _ table: TensorTable<Scalar>,
    _ trial: SpeculativeTrial<Scalar>, _ scratch: ThreadScratch<Scalar>,
    _ body: (_ index: Int, _ part: Range<Int>, inout Progress) -> Void
  ) {
    for segment in share {
      let range = segments[segment]
      var progress = Progress(updated: range.lowerBound)
      table.forEach(in: range) { index, part in
        if progress.isUpdating, table.entry(index).pointee.gradient != nil { body(index, part, &progress) }
      }
      // Behind the last gradient there is nothing to update.
      segments.updated[segment] = progress.isUpdating ? range.upperBound : progress.updated
      // The rest is only summed, and with it once more a tile of which nothing was updated.
      if !progress.isUpdating { table.sum(progress.updated..<range.upperBound, trial.measure, scratch) }
    }
  }

  /// Sums and updates a part of a tensor by a loop.
  @inline(__always)
  private static func run(
    _ loop: ProgramLoop<Scalar>, _ index: Int, _ part: Range<Int>, _ table: TensorTable<Scalar>,
    _ trial: SpeculativeTrial<Scalar>, _ progress: inout Progress, _ scratch: ThreadScratch<Scalar>
  ) {
    let (entry, places) = (table.entry(index), OperandPlaces(table, tensor: index, at: 0))
    let gradient = UnsafePointer(entry.pointee.gradient.unsafelyUnwrapped)
    var sum = table.sums.baseAddress.unsafelyUnwrapped + (entry.pointee.firstTile &+ Tile.number(of: part.lowerBound))
    // The loop begins anew as seldom as possible, because it reads its first piece twice.
    let (dots, most) = (scratch.gradientTile, Tile.count * Tile.count)
    var start = part.lowerBound
    while start < part.upperBound {
      let end = min(start &+ most, part.upperBound)
      let updated =
        start
        &+ loop.runSpeculatively(
          places, at: start, end &- start, piece: trial.piece, upTo: trial.largestSum, &progress.sum, into: dots)
      progress.updated = entry.pointee.offset &+ updated
      let summed = updated == end ? end : updated & -Tile.count
      var dot = dots
      while start < summed {
        let n = min(Tile.count, summed &- start)
        sum.pointee = .squares(dot.pointee, gradient + start, n)
        (sum, dot, start) = (sum + 1, dot + 1, start &+ n)
      }
      guard updated < end else { continue }
      // A piece of this tile exceeds the limit, or its dot product does not tell.
      let squares = TileSquares<Scalar>(prefersLoops: table.kernels.prefersLoops)
      let tile = start..<min(start &+ Tile.count, end)
      runTile(tile, from: updated, of: index, table, trial, squares, &progress, scratch) {
        loop.run(places, at: $0.lowerBound, $0.count, .forwards)
      }
      guard progress.isUpdating else { return }
      (sum, start) = (sum + 1, tile.upperBound)
    }
  }

  /// Sums a tile, and updates it from a position on by any means, up to the piece that stops the updates.
  @inline(__always)
  private static func runTile(
    _ tile: Range<Int>, from start: Int, of index: Int, _ table: TensorTable<Scalar>,
    _ trial: SpeculativeTrial<Scalar>, _ squares: TileSquares<Scalar>, _ progress: inout Progress,
    _ scratch: ThreadScratch<Scalar>, update: (Range<Int>) -> Void
  ) {
    let entry = table.entry(index)
    let gradient = UnsafePointer(entry.pointee.gradient.unsafelyUnwrapped)
    let whole = squares.sum(ofOne: gradient + tile.lowerBound, tile.count, copy: scratch.gradientTile)
    table.sums[entry.pointee.firstTile &+ Tile.number(of: tile.lowerBound)] = .squares(
      whole, gradient + tile.lowerBound, tile.count)
    var end = start
    while end < tile.upperBound {
      let (x, n) = (gradient + end, min(trial.piece, tile.upperBound &- end))
      let dot = n == tile.count ? whole : squares.sum(ofOne: x, n, copy: scratch.gradientTile)
      progress.isUpdating = trial.goesOn(after: dot, x, n, &progress.sum)
      guard progress.isUpdating else { break }
      end &+= n
    }
    if start < end { update(start..<end) }
    progress.updated = entry.pointee.offset &+ end
  }

  /// Measures and updates a part of a tensor by any means, tile by tile.
  @inline(__always)
  private static func runTiles(
    _ index: Int, _ part: Range<Int>, _ table: TensorTable<Scalar>, _ trial: SpeculativeTrial<Scalar>,
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
  /// Leaves the sums of the tiles that begin in a share in the table.
  fileprivate func sum(_ share: Range<Int>, _ measure: TileMeasure, _ scratch: ThreadScratch<Scalar>) {
    if case .squares = measure {
      Self.sumSquares(self, share, scratch)
    } else {
      Self.measureTiles(self, share, measure, scratch)
    }
  }
}
