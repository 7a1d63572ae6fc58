/// Runs programs on tensors with operands in half precision: widens a tile, runs the program on it as on a vector in
/// memory, and narrows what the program has written.
///
/// So an element has the bits that it would have if all operands were stored as `Float`s and the written ones were
/// rounded once, at the end.
struct HalfRunner<Scalar: BLASScalar> {
  private let table: TensorTable<Scalar>
  private let scratch: ThreadScratch<Scalar>
  private var runner: TileRunner<Scalar>
  private var loaded = -1
  /// The number of written elements that were finite and became infinite.
  private(set) var overflowed = 0

  init(_ table: TensorTable<Scalar>, _ scratch: ThreadScratch<Scalar>) {
    (self.table, self.scratch) = (table, scratch)
    runner = TileRunner(scratch)
  }

  /// The largest number of elements that are widened at a time: the tile shares a first-level cache with those of the
  /// other operands.
  private static var mostElements: Int { 1024 }

  /// Loads the program of a tensor, unless it is loaded already.
  mutating func load(_ program: Int, of programs: UnsafeBufferPointer<StepProgram>) {
    guard program != loaded else { return }
    runner.program.load(programs.baseAddress.unsafelyUnwrapped + program, cacheBytes: table.cacheBytes)
    loaded = program
  }

  /// Runs the program on some elements of a tensor, the first ones first.
  mutating func run(_ index: Int, _ part: Range<Int>) {
    guard runner.program.count > 0 else { return }
    let size = min(runner.program.tileCount, Self.mostElements)
    var start = part.lowerBound
    while start < part.upperBound {
      // Tiles end where the engine's tiles do.
      let end = min((start / size + 1) * size, part.upperBound)
      runTile(index, start, end - start)
      start = end
    }
  }

  private mutating func runTile(_ index: Int, _ start: Int, _ n: Int) {
    let entry = table.entry(index)
    var run = ProgramRun<Scalar>(entry, at: start)
    if runner.program.scalesUnits { run.setFactors(table.decision(index), at: start) }
    if let type = table.halves.gradient {
      table.widenGradient(index, type, at: start, into: scratch.wideTile, n)
      run.places[base: .gradient] = scratch.wideTile
    }
    runner.begin(run)
    runner.run(0..<n)
    if let type = table.halves.gradient, runner.program.writes.contains(.gradient) {
      overflowed += HalfLoops.countOverflowing(TensorTable.asFloats(scratch.wideTile), type, n)
      table.narrowGradient(index, type, at: start, from: scratch.wideTile, n)
    }
  }
}
