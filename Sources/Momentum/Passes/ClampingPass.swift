/// The update of a step that clips by value and has no other limit. It leaves in the table what the reduce pass would: the sum
/// of each tile as the bounds leave it.
///
/// Nothing depends on these sums but the report. So the reduce pass does not clamp every element once more, and the update,
/// which waits for memory or a cache, has time to sum.
///
/// Functions of a table, not a value that holds one: a step of a short vector would wait for the count of its references.
enum ClampingPass<Scalar: BLASScalar> {
  /// The loop of the only program of a step, which the caller keeps alive.
  ///
  /// - Returns: `nil` where not all tensors share a program, or it has no loop that sums what it clamps.
  @inline(__always)
  static func loop(of programs: ProgramBuffer<Scalar>, _ table: TensorTable<Scalar>) -> ProgramLoop<Scalar>? {
    guard let loop = programs.onlyLoop(table.kernels, cacheBytes: table.cacheBytes), loop.canClamp else { return nil }
    return loop
  }

  /// Runs the program on the gradients whose tiles the table has the sums of.
  ///
  /// - Returns: The number of elements that clipping by value has changed.
  @inline(__always)
  static func run(_ loop: ProgramLoop<Scalar>, _ table: TensorTable<Scalar>, _ team: ThreadTeam) -> Int {
    table.lastOrder = .backwards
    let scratch = table.scratch(threads: team.mostCount)
    if team.count == 1 { return run(table, 0..<table.count, loop, ThreadScratch(scratch, thread: 0)) }
    team.run(Work(table: table, loop: loop, team: team, scratch: scratch))
    return (0..<team.count).reduce(0) { $0 + ThreadScratch<Scalar>(scratch, thread: $1).count.pointee }
  }

  private struct Work: TeamWork, @unchecked Sendable {  // each thread writes its own tiles and scratch memory
    let table: TensorTable<Scalar>
    let loop: ProgramLoop<Scalar>
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      let scratch = ThreadScratch<Scalar>(scratch, thread: thread)
      scratch.count.pointee = ClampingPass.run(table, team.share(of: thread, count: table.count), loop, scratch)
    }
  }

  /// A thread works on the tiles that start in its share, from the last block of them to the first, since the reduce pass has
  /// ended with the last.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func run(
    _ table: TensorTable<Scalar>, _ share: Range<Int>, _ loop: ProgramLoop<Scalar>, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    let plan = ReducePlan(measure: .squares, clamps: true, clearsNonFinite: false)
    var changed = 0
    var parts = table.parts(of: share, .backwards)
    while let (index, part) = parts.next() {
      let entry = table.entry(index)
      guard entry.pointee.gradient != nil else { continue }
      let bounds = table.decision(index).pointee.bounds.unsafelyUnwrapped
      let sums = table.sums.baseAddress.unsafelyUnwrapped + entry.pointee.firstTile
      let places = OperandPlaces(table, tensor: index, at: 0)
      let tiles = Tile.number(of: part.lowerBound)..<Tile.number(of: part.upperBound)
      // A block has no more tiles than there is room for their dot products.
      PassOrder.backwards.forEachBlock(of: tiles, PassOrder.blockCount(of: part.count) / Tile.count) { block in
        var tile = block.lowerBound
        while tile < block.upperBound {
          // Tiles that the bounds do not change have the sums that they had.
          let isWithin = plan.isWithin(bounds, Scalar.self, sums[tile])
          var end = tile &+ 1
          while end < block.upperBound, plan.isWithin(bounds, Scalar.self, sums[end]) == isWithin { end &+= 1 }
          changed += run(tile..<end, of: index, isWithin: isWithin, table, places, loop, plan, scratch)
          tile = end
        }
      }
    }
    return changed
  }

  /// Updates consecutive tiles, all of which or none of which lie within their bounds.
  ///
  /// - Returns: The number of elements that clipping by value has changed.
  @inline(__always)
  private static func run(
    _ tiles: Range<Int>, of index: Int, isWithin: Bool, _ table: TensorTable<Scalar>, _ places: OperandPlaces<Scalar>,
    _ loop: ProgramLoop<Scalar>, _ plan: ReducePlan, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    let entry = table.entry(index)
    let (start, place) = (tiles.lowerBound &* Tile.count, entry.pointee.firstTile &+ tiles.lowerBound)
    let count = min(tiles.upperBound &* Tile.count, entry.pointee.count) &- start
    let clampedSums = table.clampedSums.baseAddress.unsafelyUnwrapped + place
    if isWithin {
      clampedSums.update(from: table.sums.baseAddress.unsafelyUnwrapped + place, count: tiles.count)
      loop.run(places, at: start, count, .backwards)
      return 0
    }
    // No program that is a loop needs this memory.
    let dots = scratch.copyTile
    let changed = loop.runClamping(places, at: start, count, into: dots)
    for number in 0..<tiles.count {
      if TileSum.isTrusted(dots[number]) {
        clampedSums[number] = TileSum(value: Double(dots[number]))
      } else {
        let (x, n) = (entry.pointee.gradient.unsafelyUnwrapped + start, min(Tile.count, count &- number &* Tile.count))
        _ = TensorTable.reduceTile(
          tiles.lowerBound &+ number, of: index, x + number &* Tile.count, n, table.sums[place &+ number], table, plan,
          scratch.gradientTile)
      }
    }
    return changed
  }
}
