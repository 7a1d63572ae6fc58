/// Runs a program over a run of consecutive elements: block by block, tile by tile, and on the end of the run.
struct TileRunner<Scalar: BLASScalar> {
  typealias Pointer = UnsafeMutablePointer<Scalar>

  private static var granule: Int { BLASTraits.granule }

  var program: TileProgram<Scalar>
  /// The elements that the program works on.
  var current = ProgramRun<Scalar>()
  private let scratch: ThreadScratch<Scalar>
  private let execution: BLASExecution<Scalar>

  init(_ scratch: ThreadScratch<Scalar>) {
    program = TileProgram(storage: scratch.operations)
    self.scratch = scratch
    execution = BLASExecution(scaledTile: scratch.scaledTile)
  }

  /// Runs the program on the first elements of the current run.
  @inline(__always)
  mutating func execute(_ count: Int, _ order: PassOrder) {
    guard program.count > 0 else { return }
    if let loop = program.loop { return loop.run(current.places, at: 0, count, order) }
    guard order == .backwards else {
      begin()
      return run(0..<count)
    }
    let whole = count & -Self.granule
    // The end comes first, so that the next block finds the end's cache lines in cache.
    if whole < count { runEnd(current, of: 0..<count, from: whole) }
    begin()
    order.forEachBlock(of: 0..<whole, PassOrder.blockCount(of: count)) { run($0) }
  }

  /// Binds the program to the vectors of the current run; ``run(_:)`` is then called with parts of it.
  @inline(__always)
  mutating func begin() {
    if program.loop == nil { bind(current) }
  }

  /// Runs the program on a part of the run, tile by tile, the first tile first. Every part but the last must end on a
  /// granule.
  @inline(__always)
  mutating func run(_ part: Range<Int>) {
    if let loop = program.loop { return loop.run(current.places, at: part.lowerBound, part.count, .forwards) }
    let (tile, end) = (program.tileCount, part.lowerBound + part.count & -Self.granule)
    var position = part.lowerBound
    while position < end {
      let n = min(end - position, tile)
      execution.run(program, current, at: position, n, valid: n)
      position += tile
    }
    if end < part.upperBound { runEnd(current, of: part, from: end) }
  }

  @inline(__always)
  private func bind(_ run: ProgramRun<Scalar>) {
    program.bind(run.places, gradientCopy: scratch.gradientTile, copy: scratch.copyTile)
  }

  /// Runs the end of a part, which is shorter than a granule. It works on copies of the part's last granule, and stores
  /// only the end of the result. A part that is itself shorter than a granule is padded with zeros. Only another
  /// ``begin()`` may follow.
  @inline(never)
  private func runEnd(_ run: ProgramRun<Scalar>, of part: Range<Int>, from position: Int) {
    let n = part.upperBound - position
    let lead = part.count >= Self.granule ? Self.granule - n : 0
    let start = position - lead
    var copies = run
    copies.index += start
    forEachVector { operand, number in
      // An operand that the program does not read may have the address of an earlier step, whose memory the caller may
      // have freed.
      guard program.reads.contains(operand), let source = run.places[base: operand] else { return }
      if lead > 0, !program.writes.contains(operand) {
        copies.places[base: operand] = source + start
        return
      }
      let copy = scratch.ends + number * Self.granule
      if lead == 0 { copy.update(repeating: 0, count: Self.granule) }
      copy.update(from: source + start, count: lead + n)
      copies.places[base: operand] = copy
    }
    bind(copies)
    execution.run(program, copies, at: 0, Self.granule, valid: lead + n)
    forEachVector { operand, _ in
      guard program.writes.contains(operand), let copy = copies.places[base: operand],
        let target = run.places[base: operand]
      else { return }
      (target + position).update(from: copy + lead, count: n)
    }
  }

  @inline(__always)
  private func forEachVector(_ body: (Operand, _ number: Int) -> Void) {
    body(.gradient, 0)
    body(.direction, 1)
    body(.parameters, 2)
    body(.average, 3)
    body(.secondMoment, 4)
    body(.update, 5)
  }
}
