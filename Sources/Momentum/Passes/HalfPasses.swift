// The passes over tables with operands in half precision, apart from the usual ones, whose instructions stay as they are.
extension TensorTable {
  /// As the reduce pass, for gradients in half precision: each of their tiles is widened first.
  @inline(never)
  @specialized(where Scalar == Float)
  static func reduceHalves(
    _ table: TensorTable, _ share: Range<Int>, _ plan: ReducePlan, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    if !plan.clamps {
      measureTiles(table, share, plan.measure, scratch)
      return 0
    }
    var clipped = 0
    table.forEach(in: share) { index, part in
      guard let gradient = table.entry(index).pointee.gradient else { return }
      let type = table.halves(of: index).gradient
      var tile = Tile.number(of: part.lowerBound)
      while tile * Tile.count < part.upperBound {
        let start = tile * Tile.count
        let n = min(Tile.count, table.entry(index).pointee.count - start)
        if let type { table.widenGradient(index, type, at: start, into: scratch.wideGradient, n) }
        let x = type == nil ? gradient + start : scratch.wideGradient
        let sum = TileSum.measure(x, n, plan.measure, copy: scratch.gradientTile)
        clipped += reduceTile(tile, of: index, x, n, sum, table, plan, scratch.gradientTile)
        tile += 1
      }
    }
    return clipped
  }

  /// Leaves the measure of each tile that begins in a share in the table, however its gradient is stored.
  @inline(never)
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func measureTiles(
    _ table: TensorTable, _ share: Range<Int>, _ measure: TileMeasure, _ scratch: ThreadScratch<Scalar>
  ) {
    table.forEach(in: share) { index, part in
      let entry = table.entry(index)
      guard entry.pointee.gradient != nil else { return }
      var start = Tile.number(of: part.lowerBound) &* Tile.count
      var sum = table.sums.baseAddress.unsafelyUnwrapped + (entry.pointee.firstTile &+ Tile.number(of: start))
      while start < part.upperBound {
        let n = min(Tile.count, entry.pointee.count &- start)
        sum.pointee = table.measureGradient(index, at: start, n, measure, scratch)
        sum += 1
        start &+= Tile.count
      }
    }
  }

  /// The number of elements of a block: long enough for the processor to recognise a stream and fetch ahead, and so few that
  /// loops can count them.
  private static func blockCount(_ count: Int) -> Int { max(1 << 16, PassOrder.blockCount(of: count)) }

  /// The loop of the only program of a step, where all tensors store their operands in one way.
  func onlyHalfLoop(_ programs: ProgramBuffer<Scalar>) -> HalfProgramLoop<Scalar>? {
    guard !halves.isMixed, let storage = storageOfLoop(halves),
      let (loop, factors) = programs.onlyHalfLoop(kernels, storage)
    else { return nil }
    return HalfProgramLoop(loop, factors)
  }

  /// As the update pass, for operands in half precision and the only program.
  func updateHalves(_ loop: HalfProgramLoop<Scalar>, _ team: ThreadTeam) {
    let (order, scratch) = (takeOrder(), scratch(threads: team.mostCount))
    if team.count == 1 { return Self.updateHalves(self, 0..<count, loop, order, ThreadScratch(scratch, thread: 0)) }
    team.run(HalfUpdateWork(table: self, loop: loop, order: order, team: team, scratch: scratch))
  }

  /// Each thread writes its own elements and scratch memory.
  private struct HalfUpdateWork: TeamWork, @unchecked Sendable {
    let table: TensorTable
    let loop: HalfProgramLoop<Scalar>
    let order: PassOrder
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      TensorTable.updateHalves(
        table, team.share(of: thread, count: table.count), loop, order, ThreadScratch(scratch, thread: thread))
    }
  }

  @inline(never)
  @specialized(where Scalar == Float)
  private static func updateHalves(
    _ table: TensorTable, _ share: Range<Int>, _ loop: HalfProgramLoop<Scalar>, _ order: PassOrder,
    _ scratch: ThreadScratch<Scalar>
  ) {
    for (index, part) in table.parts(of: share, order) where table.entry(index).pointee.program >= 0 {
      order.forEachBlock(of: part, blockCount(part.count)) {
        loop.run(table, index, $0, table.halves, scratch)
      }
    }
  }

  /// As the update pass, for operands in half precision.
  @inline(never)
  @specialized(where Scalar == Float)
  static func updateHalves(
    _ table: TensorTable, _ share: Range<Int>, _ programs: UnsafeBufferPointer<StepProgram>, _ order: PassOrder,
    _ scratch: ThreadScratch<Scalar>
  ) {
    var runner = HalfRunner(table, scratch)
    for (index, part) in table.parts(of: share, order) {
      let program = table.entry(index).pointee.program
      guard program >= 0 else { continue }
      runner.load(program, of: programs)
      order.forEachBlock(of: part, blockCount(part.count)) { runner.run(index, $0) }
    }
  }
}
