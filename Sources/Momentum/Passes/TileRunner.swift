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

  /// The length of a block. Blocks are taken from the last to the first, but a block runs from its first element to its
  /// last. Blocks are short where a second-level cache holds the whole run, so that a step soon reaches the elements
  /// that the reduce pass used last. Otherwise they are long enough for the processor to recognise a stream and fetch
  /// ahead; and where a last-level cache holds the smaller part of the run, so long that their number does not matter.
  @inline(__always)
  static func blockCount(_ count: Int) -> Int { count <= 1 << 17 ? 1 << 13 : count <= 1 << 22 ? 1 << 16 : 1 << 20 }

  /// Runs the program on the first elements of the current run, block by block, the last block first.
  ///
  /// The reduce pass ends where this update begins, and the next reduce pass begins where this update ends, so both
  /// find data in cache.
  @inline(__always)
  mutating func execute(_ count: Int) {
    guard program.count > 0 else { return }
    if let loop = program.loop { return Self.execute(loop, current.places, count) }
    let block = Self.blockCount(count)
    let whole = count & -Self.granule
    // The end comes first, so that the next block finds the end's cache lines in cache.
    if whole < count { runEnd(current, of: 0..<count, from: whole) }
    begin()
    var end = whole
    while end > 0 {
      let start = (end - 1) & -block
      self.run(start..<end)
      end = start
    }
  }

  /// The same for a program that is a loop.
  @inline(__always)
  static func execute(_ loop: ProgramLoop<Scalar>, _ places: OperandPlaces<Scalar>, _ count: Int) {
    let block = blockCount(count)
    var end = count
    while end > 0 {
      let start = (end - 1) & -block
      loop.run(places, at: start, end - start)
      end = start
    }
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
    if let loop = program.loop { return loop.run(current.places, at: part.lowerBound, part.count) }
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
