extension TensorTable {
  /// Measures all gradients, and leaves the sum of each tile in the table.
  ///
  /// - Complexity: Reads every gradient once.
  func measure(_ plan: MeasurementPlan, _ team: ThreadTeam) -> GradientMeasurement {
    if let measured = measureSquares(plan, team) { return measured }
    let pass = ReducePlan(
      measure: TileMeasure(plan.type, halves.algorithm(plan.algorithm)), clamps: plan.clamps,
      clearsNonFinite: plan.clearsNonFinite)
    var changed = 0
    ToldWork.run(count, tell: tell) { changed += reduce(pass, $0, team) }
    lastOrder = .forwards
    (divisor, clampedDivisor) = (1, 1)
    if case .p = plan.type.form {
      divisor = largestScale(sums)
      if plan.clamps { clampedDivisor = largestScale(clampedSums) }
    }
    return GradientMeasurement(total: totalNorm(plan.type, measured()), valueClippedCount: changed)
  }

  /// The largest scale of all tiles.
  private func largestScale(_ sums: UnsafeMutableBufferPointer<TileSum>) -> Double {
    entries.indices.reduce(0) {
      entry($1).pointee.gradient == nil ? $0 : max($0, Self.largestScale(tiles(of: entry($1), sums)))
    }
  }

  /// The largest scale of some tiles; 0 if all are zeros.
  static func largestScale(_ tiles: UnsafeBufferPointer<TileSum>) -> Double {
    tiles.reduce(0) { max($0, $1.scale) }
  }

  /// The first pass, on some of the elements: reads every gradient once, and leaves a ``TileSum`` of each tile in the table.
  ///
  /// A thread works on the tiles that start in its share, so the grid does not depend on the number of threads.
  ///
  /// - Returns: The number of elements that clipping by value will change.
  private func reduce(_ plan: ReducePlan, _ slice: Range<Int>, _ team: ThreadTeam) -> Int {
    let scratch = scratch(threads: team.mostCount)
    if team.count == 1 { return Self.reduce(self, slice, plan, ThreadScratch(scratch, thread: 0)) }
    team.run(ReduceWork(table: self, plan: plan, slice: slice, team: team, scratch: scratch))
    return (0..<team.count).reduce(0) { $0 + ThreadScratch<Scalar>(scratch, thread: $1).count.pointee }
  }

  private struct ReduceWork: TeamWork, @unchecked Sendable {  // each thread writes its own tiles and scratch memory
    let table: TensorTable
    let plan: ReducePlan
    let slice: Range<Int>
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      let scratch = ThreadScratch<Scalar>(scratch, thread: thread)
      scratch.count.pointee = TensorTable.reduce(table, team.share(of: thread, in: slice), plan, scratch)
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func reduce(
    _ table: TensorTable, _ share: Range<Int>, _ plan: ReducePlan, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    if table.halves.gradient != nil { return reduceHalves(table, share, plan, scratch) }
    let measure = plan.measure
    var sumsSquares = false
    if case .squares = measure { sumsSquares = true }
    if sumsSquares, !plan.clamps {
      sumSquares(table, share, scratch)
      return 0
    }
    var clipped = 0
    let squares = TileSquares<Scalar>(prefersLoops: table.kernels.prefersLoops)
    var several = TileSquares<Scalar>.Sums(repeating: 0)
    // Whether the tile before may reach its bounds: then the next one is likely to.
    var mayClip = true
    table.forEach(in: share) { index, part in
      let entry = table.entry(index)
      guard let gradient = entry.pointee.gradient else { return }
      let (end, last) = (Tile.number(of: part.upperBound), entry.pointee.count)
      var tile = Tile.number(of: part.lowerBound)
      guard sumsSquares else {
        while tile < end {
          let (x, n) = (gradient + tile * Tile.count, min(Tile.count, last - tile * Tile.count))
          let sum = TileSum.measure(x, n, measure)
          clipped += reduceTile(tile, of: index, x, n, sum, table, plan, scratch.gradientTile)
          tile += 1
        }
        return
      }
      let sums = table.sums.baseAddress.unsafelyUnwrapped + entry.pointee.firstTile
      while tile < end {
        let start = tile * Tile.count
        if mayClip, let bounds = table.decision(index).pointee.bounds,
          let changed = reduceClippedTile(
            gradient + start, min(Tile.count, last - start), bounds, squares, into: table,
            entry.pointee.firstTile + tile)
        {
          clipped += changed
          mayClip = !plan.isWithin(bounds, Scalar.self, sums[tile])
          tile += 1
          continue
        }
        let tiles = squares.sum(
          gradient + start, min(end * Tile.count, last) - start, into: &several, copy: scratch.gradientTile)
        for number in 0..<tiles {
          let (x, n) = (gradient + tile * Tile.count, min(Tile.count, last - tile * Tile.count))
          let sum = TileSum.squares(several[number], x, n)
          clipped += reduceTile(tile, of: index, x, n, sum, table, plan, scratch.gradientTile)
          if let bounds = table.decision(index).pointee.bounds { mayClip = !plan.isWithin(bounds, Scalar.self, sum) }
          tile += 1
        }
      }
    }
    return clipped
  }

  /// Keeps the sums of squares of a tile and of its elements as clipping by value will leave them, from one reading.
  ///
  /// - Returns: The number of elements that clipping by value will change; `nil` if the tile needs another look.
  @inline(__always)
  private static func reduceClippedTile(
    _ x: UnsafePointer<Scalar>, _ n: Int, _ bounds: ValueBounds, _ squares: TileSquares<Scalar>,
    into table: TensorTable, _ place: Int
  ) -> Int? {
    var both = TileSquares<Scalar>.Sums(repeating: 0)
    let changed = squares.sumClamped(x, n, to: Scalar(bounds.lower), Scalar(bounds.upper), into: &both)
    guard let changed, TileSum.isTrusted(both[0]), TileSum.isTrusted(both[1]) else { return nil }
    table.sums[place] = TileSum(value: Double(both[0]))
    table.clampedSums[place] = TileSum(value: Double(both[1]))
    return changed
  }

  /// Keeps the sum of a tile, and that of its elements as clipping by value will leave them.
  ///
  /// - Returns: The number of elements that clipping by value will change.
  @inline(__always)
  static func reduceTile(
    _ tile: Int, of index: Int, _ x: UnsafePointer<Scalar>, _ n: Int, _ sum: TileSum, _ table: TensorTable,
    _ plan: ReducePlan, _ scratch: UnsafeMutablePointer<Scalar>
  ) -> Int {
    let place = table.entry(index).pointee.firstTile + tile
    table.sums[place] = sum
    if let bounds = table.decision(index).pointee.bounds {
      let (clamped, changed) = clampedSum(x, n, sum, plan, bounds, scratch)
      table.clampedSums[place] = clamped
      return changed
    }
    if plan.clamps { table.clampedSums[place] = sum }
    return 0
  }

  /// The sum of the tile as it will be after clipping by value, and the number of elements that clipping changes.
  @inline(__always)
  private static func clampedSum(
    _ x: UnsafePointer<Scalar>, _ n: Int, _ sum: TileSum, _ plan: ReducePlan, _ bounds: ValueBounds,
    _ scratch: UnsafeMutablePointer<Scalar>
  ) -> (TileSum, changed: Int) {
    if plan.isWithin(bounds, Scalar.self, sum) { return (sum, 0) }
    var source = x
    if plan.clearsNonFinite {
      Scalar._clearNonFinite(x, into: scratch, n)
      source = UnsafePointer(scratch)
    }
    let changed = Scalar._clampCounting(source, to: Scalar(bounds.lower), Scalar(bounds.upper), into: scratch, n)
    // A tile within the bounds does not change, so its sum is known.
    if changed == 0, !plan.clearsNonFinite { return (sum, 0) }
    return (.measure(scratch, n, plan.measure), changed)
  }
}

// The usual measurement: the sums of squares of all tiles, and nothing else.
extension TensorTable {
  /// Measures the 2-norm of all gradients if a plan asks for that alone, by sums of squares as BLAS computes them; of gradients in
  /// half precision in the portable way.
  ///
  /// It is the pass of ``measure(_:_:)`` without what that could do besides, which takes as long as the sum of a tile.
  ///
  /// - Returns: `nil` for another plan, and if somebody is to be told.
  @inline(__always)
  func measureSquares(_ plan: MeasurementPlan, _ team: ThreadTeam) -> GradientMeasurement? {
    guard plan.type == .l2, !plan.clamps, plan.algorithm == .blas || halves.gradient != nil, tell == nil else {
      return nil
    }
    (divisor, clampedDivisor) = (1, 1)
    let scratch = scratch(threads: team.mostCount)
    if team.count == 1 {
      Self.sumSquares(self, 0..<count, ThreadScratch(scratch, thread: 0))
    } else {
      team.run(SquaresWork(table: self, team: team, scratch: scratch))
    }
    lastOrder = .forwards
    return GradientMeasurement(total: totalNorm(.l2, measured()))
  }

  private struct SquaresWork: TeamWork, @unchecked Sendable {  // each thread writes its own tiles and scratch memory
    let table: TensorTable
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      TensorTable.sumSquares(
        table, team.share(of: thread, count: table.count), ThreadScratch(scratch, thread: thread))
    }
  }

  /// Leaves the sum of squares of each tile that begins in a share in the table.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func sumSquares(_ table: TensorTable, _ share: Range<Int>, _ scratch: ThreadScratch<Scalar>) {
    if table.halves.gradient != nil { return measureTiles(table, share, .portableSquares, scratch) }
    let squares = TileSquares<Scalar>(prefersLoops: table.kernels.prefersLoops)
    var several = TileSquares<Scalar>.Sums(repeating: 0)
    table.forEach(in: share) { index, part in
      let entry = table.entry(index)
      guard let gradient = entry.pointee.gradient else { return }
      var sum = table.sums.baseAddress.unsafelyUnwrapped + (entry.pointee.firstTile &+ Tile.number(of: part.lowerBound))
      var start = Tile.number(of: part.lowerBound) &* Tile.count
      let end = min(Tile.number(of: part.upperBound) &* Tile.count, entry.pointee.count)
      let fetchesNext = squares.fetchesNext(ofRun: end &- start)
      while start < end {
        let tiles = squares.sum(
          gradient + start, end &- start, fetchingNext: fetchesNext, into: &several, copy: scratch.gradientTile)
        for number in 0..<tiles {
          sum.pointee = .squares(several[number], gradient + start, min(Tile.count, end &- start))
          sum += 1
          start &+= Tile.count
        }
      }
    }
  }
}
