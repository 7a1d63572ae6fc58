// The passes over tables with operands in half precision, apart from the usual ones, whose instructions stay as they are.
extension TensorTable {
  /// As the reduce pass, for gradients in half precision: each of their tiles is widened first.
  @inline(never)
  @specialized(where Scalar == Float)
  static func reduceHalves(
    _ table: TensorTable, _ share: Range<Int>, _ plan: ReducePlan, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    var clipped = 0
    table.forEach(in: share) { index, part in
      guard let gradient = table.entry(index).pointee.gradient else { return }
      let type = table.halves(of: index).gradient
      var tile = Tile.number(of: part.lowerBound)
      while tile * Tile.count < part.upperBound {
        let start = tile * Tile.count
        let n = min(Tile.count, table.entry(index).pointee.count - start)
        if !plan.clamps {
          table.sums[table.entry(index).pointee.firstTile + tile] = table.measureGradient(
            index, at: start, n, plan.measure, scratch)
          tile += 1
          continue
        }
        if let type { table.widenGradient(index, type, at: start, into: scratch.wideGradient, n) }
        let x = type == nil ? gradient + start : scratch.wideGradient
        let sum = TileSum.measure(x, n, plan.measure, copy: scratch.gradientTile)
        clipped += reduceTile(tile, of: index, x, n, sum, table, plan, scratch.gradientTile)
        tile += 1
      }
    }
    return clipped
  }

  /// The number of elements of a block. Blocks are taken from the last to the first, because the reduce pass ends with
  /// the last; a block is long enough for the processor to recognise a stream and fetch ahead.
  private static func blockCount(_ count: Int) -> Int { max(1 << 16, TileRunner<Scalar>.blockCount(count)) }

  /// As the update pass, for operands in half precision.
  @inline(never)
  @specialized(where Scalar == Float)
  static func updateHalves(
    _ table: TensorTable, _ share: Range<Int>, _ programs: UnsafeBufferPointer<StepProgram>,
    _ scratch: ThreadScratch<Scalar>
  ) {
    var runner = HalfRunner(table, scratch)
    for (index, part) in table.reversedParts(of: share) {
      let program = table.entry(index).pointee.program
      guard program >= 0 else { continue }
      runner.load(program, of: programs)
      let blockCount = blockCount(part.count)
      var end = part.upperBound
      while end > part.lowerBound {
        let start = max(part.lowerBound, (end - 1) / blockCount * blockCount)
        runner.run(index, start..<end)
        end = start
      }
    }
  }
}
