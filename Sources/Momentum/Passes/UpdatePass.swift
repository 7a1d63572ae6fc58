extension TensorTable {
  /// The second pass: runs each tensor's program, a whole program on one tile after the other.
  ///
  /// - Parameter programs: What ``Entry/program`` refers to.
  func update(_ programs: UnsafeBufferPointer<StepProgram>, _ team: ThreadTeam) {
    let scratch = scratch(threads: team.mostCount)
    if team.count == 1 { return Self.update(self, 0..<count, programs, ThreadScratch(scratch, thread: 0)) }
    team.run(UpdateWork(table: self, programs: programs, team: team, scratch: scratch))
  }

  private struct UpdateWork: TeamWork, @unchecked Sendable {  // each thread writes its own elements and scratch memory
    let table: TensorTable
    let programs: UnsafeBufferPointer<StepProgram>
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      TensorTable.update(
        table, team.share(of: thread, count: table.count), programs, ThreadScratch(scratch, thread: thread))
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func update(
    _ table: TensorTable, _ share: Range<Int>, _ programs: UnsafeBufferPointer<StepProgram>,
    _ scratch: ThreadScratch<Scalar>
  ) {
    var runner = TileRunner<Scalar>(scratch)
    var loaded = -1
    // Tensors that follow one another in memory and in program are one run: an element's bits depend only on its own values
    // and the factors, not on where its tile begins.
    var (run, count) = (TileRunner<Scalar>.Operands(), 0)
    table.forEachReversed(in: share) { index, part in
      let entry = table.entry(index)
      guard entry.pointee.program >= 0 else { return }
      let operands = TileRunner<Scalar>.Operands(entry, at: part.lowerBound)
      if count > 0, loaded == entry.pointee.program, run.follow(operands, by: part.count), !runner.program.scalesUnits {
        (run, count) = (operands, count + part.count)
        return
      }
      if count > 0 { runner.execute(run, count) }
      if loaded != entry.pointee.program {
        loaded = entry.pointee.program
        runner.program.load(programs.baseAddress.unsafelyUnwrapped + loaded, cacheBytes: table.cacheBytes)
      }
      (run, count) = (operands, part.count)
      if runner.program.scalesUnits { run.setFactors(table.decision(index), at: part.lowerBound) }
    }
    if count > 0 { runner.execute(run, count) }
  }
}

/// Runs a program over one run of consecutive elements, tile by tile.
struct TileRunner<Scalar: BLASScalar> {
  typealias Pointer = UnsafeMutablePointer<Scalar>

  /// The addresses of the operands' elements.
  struct Operands {
    var gradient: Pointer?
    var direction: Pointer?
    var parameters: Pointer?
    var average: Pointer?
    var clipFactors: TensorTable<Scalar>.Factors?
    var ruleFactors: TensorTable<Scalar>.Factors?
    /// The place of the first element in its tensor, which says to which unit it belongs.
    var index = 0

    init() {}

    @inline(__always)
    init(_ entry: UnsafePointer<TensorTable<Scalar>.Entry>, at index: Int) {
      gradient = entry.pointee.gradient.map { $0 + index }
      direction = entry.pointee.direction.map { $0 + index }
      parameters = entry.pointee.parameters.map { $0 + index }
      average = entry.pointee.average.map { $0 + index }
    }

    /// What an operation on units needs to know besides.
    mutating func setFactors(_ decision: UnsafePointer<TensorTable<Scalar>.Decision>, at index: Int) {
      (clipFactors, ruleFactors, self.index) = (decision.pointee.clipFactors, decision.pointee.ruleFactors, index)
    }

    @inline(__always)
    func follow(_ other: Operands, by count: Int) -> Bool {
      gradient == other.gradient.map { $0 + count } && direction == other.direction.map { $0 + count }
        && parameters == other.parameters.map { $0 + count } && average == other.average.map { $0 + count }
    }
  }

  /// BLAS kernels treat the last `count mod 32` elements of a call differently from the others (another rounding, on
  /// processors with fused multiply-add). Every call here is a multiple of this, the end of a run being padded.
  private static var granule: Int { 64 }

  var program: LoweredProgram<Scalar>
  /// Where the vectors of the current run lie.
  private var operands = Operands()
  /// Scratch memory in a first-level cache: the gradient as the program sees it, `.copy`, and a prescaled operand.
  private let gradientTile: Pointer
  private let copyTile: Pointer
  private let scaledTile: Pointer
  private let padding: Pointer

  static var scratchCount: Int { 3 * tileCount + 4 * granule }

  init(_ scratch: ThreadScratch<Scalar>) {
    program = LoweredProgram(storage: scratch.operations)
    gradientTile = scratch.tiles
    copyTile = scratch.tiles + tileCount
    scaledTile = scratch.tiles + 2 * tileCount
    padding = scratch.tiles + 3 * tileCount
  }

  /// How many elements are passed over from the first to the last, before the ones in front of them: few where a
  /// second-level cache holds the whole run, so that the first one finds what the reduce pass used last; otherwise enough for the
  /// processor to see a stream and fetch ahead.
  @inline(__always)
  private static func blockCount(_ count: Int) -> Int { count <= 1 << 17 ? 1 << 13 : 1 << 16 }

  /// Runs the program on a run of elements, block by block, the last block first.
  ///
  /// The reduce pass ends where this begins, and the next reduce pass begins where this ends: what is in cache is used.
  @inline(__always)
  mutating func execute(_ operands: Operands, _ count: Int) {
    guard program.count > 0 else { return }
    let (block, whole) = (Self.blockCount(count), count & -Self.granule)
    // The end first: the block after it finds its lines in cache.
    if whole < count { runEnd(operands, of: 0..<count, from: whole) }
    begin(operands)
    var end = whole
    while end > 0 {
      let start = (end - 1) & -block
      run(start..<end)
      end = start
    }
  }

  /// Tells the program where the vectors of a run lie, parts of which ``run(_:)`` is then called with.
  @inline(__always)
  mutating func begin(_ operands: Operands) {
    self.operands = operands
    bind(operands)
  }

  /// Runs the program on a part of the run, tile by tile, the first tile first. Only the last part called with may end between
  /// granules.
  @inline(__always)
  func run(_ part: Range<Int>) {
    let (tile, end) = (program.tileCount, part.lowerBound + part.count & -Self.granule)
    var position = part.lowerBound
    while position < end {
      let n = min(end - position, tile)
      runTile(operands, at: position, n, valid: n)
      position += tile
    }
    if end < part.upperBound { runEnd(operands, of: part, from: end) }
  }

  @inline(__always)
  private func bind(_ operands: Operands) {
    program.bind(
      gradient: operands.gradient, direction: operands.direction, parameters: operands.parameters,
      average: operands.average, gradientCopy: gradientTile, copy: copyTile)
  }

  /// Runs the end of a part, fewer elements than a granule, on copies of the last granule, of which only the end is stored. A
  /// part that is shorter than a granule itself is padded with zeros. Nothing may follow but another ``begin(_:)``.
  @inline(never)
  private func runEnd(_ operands: Operands, of part: Range<Int>, from position: Int) {
    let n = part.upperBound - position
    let lead = part.count >= Self.granule ? Self.granule - n : 0
    let start = position - lead
    var copies = operands
    copies.index += start
    @inline(__always)
    func copy(_ operand: Operand, _ pointer: inout Pointer?, _ slot: Int) {
      // What the program does not read may be the address of an earlier step, whose memory is the caller's to free.
      guard program.reads.contains(operand), let source = pointer else { return }
      if lead > 0, !program.writes.contains(operand) {
        pointer = source + start
        return
      }
      let copy = padding + slot * Self.granule
      if lead == 0 { copy.update(repeating: 0, count: Self.granule) }
      copy.update(from: source + start, count: lead + n)
      pointer = copy
    }
    copy(.gradient, &copies.gradient, 0)
    copy(.direction, &copies.direction, 1)
    copy(.parameters, &copies.parameters, 2)
    copy(.average, &copies.average, 3)
    bind(copies)
    runTile(copies, at: 0, Self.granule, valid: lead + n)
    @inline(__always)
    func store(_ operand: Operand, _ from: Pointer?, _ to: Pointer?) {
      guard program.writes.contains(operand), let from, let to else { return }
      (to + position).update(from: from + lead, count: n)
    }
    store(.gradient, copies.gradient, operands.gradient)
    store(.direction, copies.direction, operands.direction)
    store(.parameters, copies.parameters, operands.parameters)
    store(.average, copies.average, operands.average)
  }

  /// Runs the program on n elements from a position of the run on, of which some at the end may be padding.
  @inline(__always)
  private func runTile(_ operands: Operands, at position: Int, _ n: Int, valid: Int) {
    let (operations, count) = (program.operations, program.count)
    for index in 0..<count {
      if operations[index].kind == .axpy {
        Scalar._axpy(
          Int32(truncatingIfNeeded: n), operations[index].factor, operations[index].source[position], 1,
          operations[index].target[position], 1)
      } else {
        run(operations[index], operands, at: position, n, valid: valid)
      }
    }
  }

  /// Runs an operation other than the usual one.
  @inline(never)
  private func run(
    _ operation: LoweredProgram<Scalar>.Operation, _ operands: Operands, at position: Int, _ n: Int, valid: Int
  ) {
    let (from, into) = (operation.source[position], operation.target[position])
    let blasCount = Int32(truncatingIfNeeded: n)
    switch operation.kind {
    case .axpy: Scalar._axpy(blasCount, operation.factor, from, 1, into, 1)
    case .multiplyAdd:
      var from = from
      if operation.prescale != 0 {
        ElementLoops.scale(from, byPowerOfTwo: operation.prescale, into: scaledTile, n)
        from = scaledTile
      }
      // BLAS rounds once where the processor can; a loop would round twice.
      if operation.factor.isFinite, operation.factor != 0 {
        Scalar._axpy(blasCount, operation.factor, from, 1, into, 1)
      } else {
        ElementLoops.multiplyAdd(operation.factor, from, into: into, n)
      }
    case .scal, .multiply:
      if operation.prescale != 0 { ElementLoops.scale(into, byPowerOfTwo: operation.prescale, into: into, n) }
      if operation.kind == .scal {
        Scalar._scal(blasCount, operation.factor, into, 1)
      } else {
        ElementLoops.multiply(into, by: operation.factor, n)
      }
    case .copy: Scalar._copy(blasCount, from, 1, into, 1)
    case .clearNonFinite: Scalar._clearNonFinite(from, into: into, n)
    case .clamp: Scalar._clamp(from, to: operation.factor, operation.upper, into: into, n)
    case .scaleClippingUnits, .scaleRuleUnits:
      let factors = operation.kind == .scaleRuleUnits ? operands.ruleFactors : operands.clipFactors
      factors.unsafelyUnwrapped._withUnsafeGuaranteedRef {
        $0.multiply(from, at: operands.index + position, into: into, valid)
      }
      if valid < n { (into + valid).update(repeating: 0, count: n - valid) }
    }
  }
}
