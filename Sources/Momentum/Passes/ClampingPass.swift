/// The update of a step that clips by value and has no other limit. It leaves in the table what the reduce pass would: the sum
/// of each tile as the bounds leave it.
///
/// Nothing depends on these sums but the report. So the reduce pass does not clamp every element once more, and the update,
/// which waits for memory or a cache, has time to sum.
struct ClampingPass<Scalar: BLASScalar> {
  private let table: TensorTable<Scalar>
  private let loop: ProgramLoop<Scalar>

  /// - Parameter programs: The programs of the step, which the caller keeps alive.
  /// - Returns: `nil` where not all tensors share a program, or it has no loop that sums what it clamps.
  @inline(__always)
  init?(_ table: TensorTable<Scalar>, _ programs: ProgramBuffer<Scalar>) {
    guard let loop = programs.onlyLoop(table.kernels, cacheBytes: table.cacheBytes), loop.canClamp else { return nil }
    (self.table, self.loop) = (table, loop)
  }

  /// Runs the program on the gradients whose tiles the table has the sums of.
  ///
  /// - Returns: The number of elements that clipping by value has changed.
  @inline(__always)
  func run(_ team: ThreadTeam) -> Int {
    let scratch = table.scratch(threads: team.mostCount)
    if team.count == 1 { return run(0..<table.count, ThreadScratch(scratch, thread: 0)) }
    team.run(Work(pass: self, team: team, scratch: scratch))
    return (0..<team.count).reduce(0) { $0 + ThreadScratch<Scalar>(scratch, thread: $1).count.pointee }
  }

  private struct Work: TeamWork, @unchecked Sendable {  // each thread writes its own tiles and scratch memory
    let pass: ClampingPass
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      let scratch = ThreadScratch<Scalar>(scratch, thread: thread)
      scratch.count.pointee = pass.run(team.share(of: thread, count: pass.table.count), scratch)
    }
  }

  private func run(_ share: Range<Int>, _ scratch: ThreadScratch<Scalar>) -> Int {
    Self.run(table, share, loop, scratch)
  }

  /// A thread works on the tiles that start in its share, from the last block of them to the first, since the reduce pass has
  /// ended with the last.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func run(
    _ table: TensorTable<Scalar>, _ share: Range<Int>, _ loop: ProgramLoop<Scalar>, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    let squares = TileSquares<Scalar>(prefersLoops: true)
    var changed = 0
    for (index, part) in table.reversedParts(of: share) {
      guard table.entry(index).pointee.gradient != nil else { continue }
      let places = OperandPlaces(table, tensor: index, at: 0)
      let tilesPerBlock = TileRunner<Scalar>.blockCount(part.count) / Tile.count
      let first = Tile.number(of: part.lowerBound)
      var end = Tile.number(of: part.upperBound)
      while end > first {
        let start = max(first, (end - 1) & -tilesPerBlock)
        for tile in start..<end { changed += run(tile, of: index, table, places, loop, squares, scratch) }
        end = start
      }
    }
    return changed
  }

  /// - Returns: The number of elements of the tile that clipping by value has changed.
  @inline(__always)
  private static func run(
    _ tile: Int, of index: Int, _ table: TensorTable<Scalar>, _ places: OperandPlaces<Scalar>,
    _ loop: ProgramLoop<Scalar>, _ squares: TileSquares<Scalar>, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    let (entry, bounds) = (table.entry(index), table.decision(index).pointee.bounds.unsafelyUnwrapped)
    let (start, place) = (tile &* Tile.count, entry.pointee.firstTile &+ tile)
    let (x, n) = (entry.pointee.gradient.unsafelyUnwrapped + start, min(Tile.count, entry.pointee.count &- start))
    let plan = ReducePlan(measure: .squares, clamps: true, clearsNonFinite: false)
    if plan.isWithin(bounds, Scalar.self, table.sums[place]) {
      table.clampedSums[place] = table.sums[place]
      loop.run(places, at: start, n)
      return 0
    }
    var changed = 0
    let sum = squares.sum(ofTile: n) { whole, lanes in
      changed = loop.runClamping(places, at: start, whole, into: lanes)
      guard whole < n else { return UnsafePointer(x) }
      loop.run(places, at: start + whole, n - whole)
      changed += Scalar._clampCounting(
        x + whole, to: Scalar(bounds.lower), Scalar(bounds.upper), into: scratch.gradientTile, n - whole)
      return UnsafePointer(scratch.gradientTile)
    }
    guard TileSum.isTrusted(sum) else {
      return TensorTable.reduceTile(tile, of: index, x, n, table.sums[place], table, plan, scratch.gradientTile)
    }
    table.clampedSums[place] = TileSum(value: Double(sum))
    return changed
  }
}
