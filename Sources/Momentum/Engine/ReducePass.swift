/// What a reduce pass measures.
struct ReducePlan: Sendable {
  var measure: TileMeasure
  /// Also measure the gradient as it will be after clipping by value to the bounds of its tensor.
  var clamps = false
  /// Measure the values after clipping by value with infinite elements moved to their bound, rather than left out.
  var clearsNonFinite = false
}

/// Bounds for clipping by value.
struct ValueBounds: Sendable, Hashable {
  var lower: Double
  var upper: Double
}

extension TensorTable {
  /// The first pass: reads every gradient once and leaves a ``TileSum`` for each tile behind.
  ///
  /// Tiles that start in a thread's share are that thread's, so the grid does not depend on the number of threads.
  ///
  /// - Returns: How many elements clipping by value will change.
  func reduce(_ plan: ReducePlan, _ team: ThreadTeam) -> Int {
    guard team.count > 1 else { return Self.reduce(self, 0..<max(count, 1), plan) }
    let clipped = Counter(team.count)
    team.run { thread in
      clipped.values[thread] = Self.reduce(self, team.share(of: thread, count: self.count), plan)
    }
    return clipped.total
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func reduce(_ table: TensorTable, _ share: Range<Int>, _ plan: ReducePlan) -> Int {
    var clipped = 0
    let measure = plan.measure
    table.forEach(in: share) { entry, part in
      guard let gradient = entry.gradient else { return }
      var tile = (part.lowerBound + tileCount - 1) / tileCount
      while tile * tileCount < part.upperBound {
        let start = tile * tileCount
        let n = min(tileCount, entry.count - start)
        let x = UnsafePointer(gradient + start)
        let sum = TileSum.measure(x, n, measure)
        table.sums[entry.firstTile + tile] = sum
        if let bounds = entry.bounds {
          let (clamped, changed) = clampedSum(x, n, sum, measure, bounds, plan.clearsNonFinite)
          table.clampedSums[entry.firstTile + tile] = clamped
          clipped += changed
        } else if plan.clamps {
          table.clampedSums[entry.firstTile + tile] = sum
        }
        tile += 1
      }
    }
    return clipped
  }

  @inline(__always)
  private static func clampedSum(
    _ x: UnsafePointer<Scalar>, _ n: Int, _ sum: TileSum, _ measure: TileMeasure, _ bounds: ValueBounds, _ clear: Bool
  ) -> (TileSum, changed: Int) {
    withUnsafeTemporaryAllocation(byteCount: tileCount * MemoryLayout<Scalar>.stride, alignment: 64) { raw in
      let scratch = raw.baseAddress!.bindMemory(to: Scalar.self, capacity: tileCount)
      var source = x
      if clear {
        ElementLoops.clearNonFinite(x, into: scratch, n)
        source = UnsafePointer(scratch)
      }
      let (lower, upper) = (Scalar(bounds.lower), Scalar(bounds.upper))
      let changed = ElementLoops.countOutside(source, lower, upper, n)
      // A tile within the bounds is what it was: its sum is known.
      if changed == 0, !clear { return (sum, 0) }
      ElementLoops.clamp(source, to: lower, upper, into: scratch, n)
      return (.measure(scratch, n, measure), changed)
    }
  }
}

/// One number a thread, a cache line apart.
private final class Counter: @unchecked Sendable {  // each thread writes its own number
  let values: UnsafeMutablePointer<Int>
  private let count: Int

  init(_ count: Int) {
    self.count = count
    values = .allocate(capacity: count)
    values.initialize(repeating: 0, count: count)
  }

  deinit { values.deallocate() }

  var total: Int { (0..<count).reduce(0) { $0 + values[$1] } }
}
