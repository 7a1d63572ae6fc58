/// Runs programs on tensors with operands in half precision: widens a tile, runs the program on it as on a vector in
/// memory, and stores what the program has written.
///
/// So an element has the bits that it would have if all operands were stored as `Float`s and the written ones were
/// rounded once, at the end.
struct HalfRunner<Scalar: BLASScalar> {
  private let table: TensorTable<Scalar>
  /// The way in which the operands of the current tensor are stored.
  private var halves = HalfOperands()
  private let scratch: ThreadScratch<Scalar>
  private var runner: TileRunner<Scalar>
  private var loaded = -1
  /// The loop that was found last for the program, and for which storage.
  private var loop: (loop: FusedHalfLoop?, storage: FusedHalfLoop.Storage)?
  /// The update of the current tensor, if its program has one.
  var update: UnsafeMutablePointer<Scalar>?

  init(_ table: TensorTable<Scalar>, _ scratch: ThreadScratch<Scalar>) {
    (self.table, self.scratch) = (table, scratch)
    runner = TileRunner(scratch)
  }

  /// The largest number of elements that are widened at a time: the tiles share a first-level cache with those of the
  /// other operands.
  private static var mostElements: Int { 1024 }

  /// Loads the program of a tensor, unless it is loaded already.
  mutating func load(_ program: Int, of programs: UnsafeBufferPointer<StepProgram>) {
    guard program != loaded else { return }
    runner.program.load(programs.baseAddress.unsafelyUnwrapped + program, cacheBytes: table.cacheBytes, table.kernels)
    (loaded, loop) = (program, nil)
  }

  /// Loads a program that is none of a buffer's.
  mutating func load(_ program: UnsafePointer<StepProgram>) {
    runner.program.load(program, cacheBytes: table.cacheBytes, table.kernels)
    (loaded, loop) = (-1, nil)
  }

  /// Runs the program on some elements of a tensor, the first ones first.
  ///
  /// - Parameter isLast: Whether the tensor has its new parameters then, so that copies of them are written.
  mutating func run(_ index: Int, _ part: Range<Int>, isLast: Bool = true) {
    halves = table.halves(of: index)
    if !isLast { halves.copy = nil }
    guard runner.program.count > 0 || halves.copy != nil else { return }
    if let loop = findLoop() { return loop.run(table, index, part, halves, scratch) }
    scratch.tiled.pointee += part.count
    let size = min(runner.program.tileCount, Self.mostElements)
    var start = part.lowerBound
    while start < part.upperBound {
      // Tiles end where the engine's tiles do.
      let end = min((start / size + 1) * size, part.upperBound)
      runTile(index, start, end - start)
      start = end
    }
  }

  /// The loop that runs the program on vectors that are kept like those of the current tensor.
  @inline(__always)
  private mutating func findLoop() -> HalfProgramLoop<Scalar>? {
    guard let signature = runner.program.signature, let storage = table.storageOfLoop(halves) else { return nil }
    if loop?.storage != storage { loop = (FusedHalfLoop(signature, storage), storage) }
    guard let found = loop?.loop else { return nil }
    return HalfProgramLoop(found, runner.program.factors)
  }

  private mutating func runTile(_ index: Int, _ start: Int, _ n: Int) {
    runner.current.bind(table, index, at: start)
    runner.current.places[base: .update] = update.map { $0 + start }
    if runner.program.scalesUnits { runner.current.setFactors(table.decision(index), at: start) }
    if let type = halves.gradient {
      table.widenGradient(index, type, at: start, into: scratch.wideGradient, n)
      runner.current.places[base: .gradient] = scratch.wideGradient
    }
    if let parameters = table.halfParameters(index) {
      parameters.widen(at: start, into: TensorTable.asFloats(scratch.wideParameters), n)
      runner.current.places[base: .parameters] = scratch.wideParameters
    }
    let direction = halfDirection(index, start)
    if let direction {
      HalfLoops.widen(direction, .bfloat16, into: TensorTable.asFloats(scratch.wideDirection), n)
      runner.current.places[base: .direction] = scratch.wideDirection
    }
    runner.begin()
    runner.run(0..<n)
    if let direction, runner.program.writes.contains(.direction) {
      let x = TensorTable.asFloats(scratch.wideDirection)
      scratch.overflowed.pointee += HalfLoops.countOverflowing(x, .bfloat16, n)
      table.storeDirection(x, into: direction, n, index: start)
    }
    if let type = halves.gradient, runner.program.writes.contains(.gradient) {
      let (x, y) = (TensorTable.asFloats(scratch.wideGradient), table.gradientAddress(index, type, at: start))
      HalfLoops.narrow(x, into: y, type, n)
      settleOverflow(x, y, type, n)
    }
    if halves.parameters != nil, runner.program.writes.contains(.parameters) { storeParameters(index, start, n) }
    if let type = halves.copy { storeCopy(index, type, start, n) }
  }

  /// The address of an element of the direction, if the program needs it and it is in half precision.
  private func halfDirection(_ index: Int, _ start: Int) -> UnsafeMutableRawPointer? {
    guard table.hasHalfDirection, runner.program.reads.contains(.direction) else { return nil }
    return UnsafeMutableRawPointer(table.entry(index).pointee.direction.unsafelyUnwrapped) + 2 * start
  }

  /// Stores the tile of parameters that the program has written.
  private func storeParameters(_ index: Int, _ start: Int, _ n: Int) {
    let (x, entry) = (TensorTable.asFloats(scratch.wideParameters), table.halfEntry(index))
    let y = UnsafeMutableRawPointer(table.entry(index).pointee.parameters.unsafelyUnwrapped) + 2 * start
    switch halves.parameters {
    case .split: return HalfLoops.split(x, into: y, entry.pointee.second.unsafelyUnwrapped + 2 * start, n)
    case .bfloat16(.nearest): scratch.lost.pointee += HalfLoops.storeBFloat16(x, into: y, n)
    case .bfloat16(.stochastic):
      HalfLoops.storeStochasticBFloat16(x, into: y, n, key: entry.pointee.key, step: table.halves.step, index: start)
    case nil: return
    }
    settleOverflow(x, y, .bfloat16, n)
  }

  /// Writes the copy of a tile of parameters.
  private func storeCopy(_ index: Int, _ type: ElementType, _ start: Int, _ n: Int) {
    guard let parameters = table.entry(index).pointee.parameters, let copy = table.halfEntry(index).pointee.second
    else { return }
    let (x, y) = (TensorTable.asFloats(parameters + start), copy + start * type.byteCount)
    HalfLoops.narrow(x, into: y, type, n)
    settleOverflow(x, y, type, n)
  }

  /// Counts the numbers of a tile that have overflowed as they were stored, and sees to it that they are what was asked for.
  private func settleOverflow(
    _ x: UnsafePointer<Float>, _ y: UnsafeMutableRawPointer, _ type: ElementType, _ n: Int
  ) {
    let overflowed = HalfLoops.countOverflowing(x, type, n)
    guard overflowed > 0 else { return }
    scratch.overflowed.pointee += overflowed
    if table.halves.saturates { HalfLoops.saturate(x, y, type, n) }
  }
}
