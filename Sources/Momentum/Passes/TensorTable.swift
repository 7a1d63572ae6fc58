/// The addresses of every tensor's operands, and the tile grid over them: everything that the two passes need for a
/// step.
///
/// The table lives as long as its optimizer, so that a step after the first allocates nothing.
final class TensorTable<Scalar: BLASScalar>: @unchecked Sendable {  // written between passes, by one thread
  typealias Pointer = UnsafeMutablePointer<Scalar>

  /// The addresses and the program of one tensor, as bound for the current step. For most tensors a pass reads nothing
  /// else.
  ///
  /// An entry is one cache line, and is written only when something changes. So an entry that stays the same from step
  /// to step remains in the caches of all threads. Otherwise looking up hundreds of short tensors would take longer
  /// than updating them.
  struct Entry {
    var gradient: Pointer?
    var direction: Pointer?
    var parameters: Pointer?
    var average: Pointer?
    /// The first element's index in the concatenation of all tensors.
    var offset: Int
    var count: Int
    /// The index of the tensor's first tile in ``sums``.
    var firstTile: Int
    /// The number of the tensor's program; -1 leaves the tensor alone.
    var program: Int

    var tiles: Int { Tile.number(of: count) }
  }

  /// The findings and decisions of a step's stages about one tensor.
  struct Decision {
    /// The tensor's group, -1 for none.
    var group = -1
    /// The coefficient of norm clips for this tensor's gradient.
    var coefficient = ScaledDouble(1)
    /// The update rule's factor of the gradient of the whole tensor.
    var ruleFactor = ScaledDouble(1)
    /// The bounds that clipping by value moves this tensor's elements into.
    var bounds: ValueBounds?
    /// The factors of the units of this tensor's gradient, if there are any: from clipping, and from the update rule.
    var clipFactors: Factors?
    var ruleFactors: Factors?
    /// The norm of the gradient after clipping by value and by unit norms, if clipping by unit norms changes it; on the
    /// scale of the gradient in memory.
    var unitClippedNorm: ScaledDouble?
    /// The norm of the gradient after clipping by value, if the tensor has a limit of its own; on the scale of the
    /// gradient in memory.
    var tensorNorm: ScaledDouble?
    /// The scales of the velocity and of the average after the current step.
    var newScale = 1.0
    var newAverageScale = 1.0
    /// Whether another owner counts the tensor, which several hold; set before each step with other owners.
    var isCountedElsewhere = false

    /// Clears the decisions of the last step.
    mutating func reset() { self = Decision(group: group, isCountedElsewhere: isCountedElsewhere) }
  }

  /// The names of the tensors; empty if they are known by their positions alone.
  private let names: [String]
  /// The shapes of the tensors; empty if they are not known.
  let shapes: [[Int]]
  private(set) lazy var units = UnitMemory<Scalar>()
  let entries: UnsafeMutableBufferPointer<Entry>
  let decisions: UnsafeMutableBufferPointer<Decision>
  /// The number of elements and of tiles of all tensors.
  let count: Int
  let tiles: Int
  /// The sum of each tile, and of each tile after clipping by value, as the reduce pass measured them, the latter also an update
  /// (``ClampingPass``).
  let sums: UnsafeMutableBufferPointer<TileSum>
  let clampedSums: UnsafeMutableBufferPointer<TileSum>
  /// The memory of all of them.
  private let memory: RecycledMemory
  /// The size of the cache that the tiles of an update should fit into: a first-level cache, unless the last-level
  /// cache keeps all vectors of a step from step to step. In that case a step does not wait for memory, and longer BLAS
  /// calls are better.
  let cacheBytes: Int
  /// The order of the last pass over all elements.
  var lastOrder = PassOrder.forwards
  /// The way to run programs.
  var kernels = StepKernels.automatic
  /// The element types of the operands of this call, where they are not `Scalar`. A call that sets it resets it.
  var halves = HalfOperands()
  /// The first element of the second moments of all tensors, which lie in the order of the table; not part of an entry,
  /// which fills its cache line.
  var secondMoment: Pointer?
  /// Whether the directions are ``BFloat16``s.
  var hasHalfDirection = false
  /// The first element of all directions, as they are bound.
  private var directionBase: Pointer?
  /// The number of the step that writes directions, 1 for the first; `nil` outside of steps.
  var directionStep: Int?
  /// What is known of each tensor's operands in half precision besides its entry; made by the first call that needs it.
  private(set) var halfEntries: UnsafeMutableBufferPointer<HalfEntry>?
  /// Is told how many more elements have been measured, in the order of the tensors; see ``ToldWork``.
  var tell: ((Int) -> Void)?
  /// The scales on which the tiles are added; see ``MeasuredTiles/divisor``.
  var (divisor, clampedDivisor) = (1.0, 1.0)
  /// The ``ThreadScratch`` of every thread, allocated by the first pass with this number of threads; and its address and
  /// size once more, because each look into a stored value that cannot be copied is a call that checks for exclusive access.
  private var threadMemory = RecycledMemory?.none
  private var scratchBase: UnsafeMutableRawPointer?
  private var scratchByteCount = 0

  /// - Parameter cacheBytes: The size of the cache, for tests; by default that of the machine.
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  init(
    counts: some Collection<Int>, names: [String] = [], shapes: [[Int]] = [], cacheBytes: Int? = nil
  ) throws(MomentumError) {
    try BLASTraits.checkCounts()
    let tiles = counts.reduce(0) { $0 + Tile.number(of: $1) }
    // One allocation for all. Nothing is written to the sums yet, so they cost no memory until they are used.
    let entryBytes = counts.count * MemoryLayout<Entry>.stride
    let decisionBytes = (counts.count * MemoryLayout<Decision>.stride + 63) & -64
    let memory = try RecycledMemory(
      byteCount: entryBytes + decisionBytes + 2 * tiles * MemoryLayout<TileSum>.stride, for: .table)
    entries = UnsafeMutableBufferPointer(
      start: memory.base.bindMemory(to: Entry.self, capacity: counts.count), count: counts.count)
    decisions = UnsafeMutableBufferPointer(
      start: (memory.base + entryBytes).bindMemory(to: Decision.self, capacity: counts.count), count: counts.count)
    let sumStart = (memory.base + entryBytes + decisionBytes).bindMemory(to: TileSum.self, capacity: 2 * tiles)
    sums = UnsafeMutableBufferPointer(start: sumStart, count: tiles)
    clampedSums = UnsafeMutableBufferPointer(start: sumStart + tiles, count: tiles)
    self.memory = consume memory
    (self.names, self.shapes, self.tiles) = (names, shapes, tiles)
    decisions.initialize(repeating: Decision())
    var (offset, tile) = (0, 0)
    for (index, count) in counts.enumerated() {
      let entry = Entry(offset: offset, count: count, firstTile: tile, program: 0)
      entries.initializeElement(at: index, to: entry)
      offset += count
      tile += entry.tiles
    }
    count = offset
    let staysInCache = count < Machine.lastLevelCacheBytes / (3 * MemoryLayout<Scalar>.stride)
    self.cacheBytes = cacheBytes ?? (staysInCache ? .max : Machine.firstLevelCacheBytes)
  }

  /// What the reduce pass measured.
  @inline(__always)
  func measured(clamped: Bool = false) -> MeasuredTiles {
    clamped
      ? MeasuredTiles(sums: clampedSums, divisor: clampedDivisor) : MeasuredTiles(sums: sums, divisor: divisor)
  }

  /// The address of an entry; not a copy, because copying an entry takes as long as computing a tile.
  @inline(__always)
  func entry(_ index: Int) -> UnsafeMutablePointer<Entry> { entries.baseAddress.unsafelyUnwrapped + index }

  /// The address of a decision; see ``entry(_:)``.
  @inline(__always)
  func decision(_ index: Int) -> UnsafeMutablePointer<Decision> { decisions.baseAddress.unsafelyUnwrapped + index }

  /// The name of a tensor in errors.
  func name(of index: Int) -> String { names.isEmpty ? "\(index)" : names[index] }

  deinit {
    if let halfEntries { UnsafeMutableRawPointer(halfEntries.baseAddress)?.deallocate() }
  }

  /// Makes room for what is known of operands in half precision.
  func makeHalfEntries() {
    guard halfEntries == nil else { return }
    let made = UnsafeMutableBufferPointer<HalfEntry>.allocate(capacity: entries.count)
    made.initialize(repeating: HalfEntry())
    halfEntries = made
  }

  /// Scratch memory for a number of threads; see ``ThreadScratch``.
  func scratch(threads: Int) -> UnsafeMutableRawPointer {
    let size = threads * ThreadScratch<Scalar>.byteCount
    if let scratchBase, scratchByteCount >= size { return scratchBase }
    // A pass cannot stop for want of a few kilobytes.
    guard let made = try? RecycledMemory(byteCount: size, for: .tiles) else {
      fatalError("no memory for the tiles of a pass")
    }
    let base = made.base
    (scratchBase, scratchByteCount) = (base, made.byteCount)
    threadMemory = consume made
    return base
  }

  /// The address of tensors without elements, which have none of their own. It is never read or written.
  static var emptyTensor: Pointer { Pointer(bitPattern: MemoryLayout<Scalar>.alignment)! }

  /// Clears all decisions of the last step.
  func resetDecisions() {
    for index in decisions.indices { decisions[index].reset() }
  }

  /// Binds the gradient of each tensor, for passes without other operands.
  func bindGradients(_ gradients: some Sequence<Pointer?>) {
    for (index, gradient) in gradients.enumerated() { entries[index].gradient = gradient ?? Self.emptyTensor }
  }

  /// Binds the direction of each tensor, which all lie in one vector; see ``hasHalfDirection``.
  func bindDirections(_ base: Pointer) {
    guard base != directionBase else { return }
    directionBase = base
    let byteCount = hasHalfDirection ? 2 : MemoryLayout<Scalar>.stride
    for index in entries.indices {
      let address = UnsafeMutableRawPointer(base) + entries[index].offset * byteCount
      entries[index].direction = address.assumingMemoryBound(to: Scalar.self)
    }
  }

  /// The order of the update that comes now.
  @inline(__always)
  func takeOrder() -> PassOrder {
    lastOrder = lastOrder.opposite
    return lastOrder
  }

  /// Calls `body` for the part of every tensor that lies in a range of the concatenation.
  @inline(__always)
  func forEach(in share: Range<Int>, _ body: (_ index: Int, _ part: Range<Int>) -> Void) {
    guard !share.isEmpty else { return }
    var index = share.lowerBound == 0 ? 0 : firstEntry(endingAfter: share.lowerBound)
    while index < entries.count {
      let (offset, count) = (entry(index).pointee.offset, entry(index).pointee.count)
      guard offset < share.upperBound else { return }
      let lower = max(share.lowerBound - offset, 0)
      let upper = min(share.upperBound - offset, count)
      if lower < upper { body(index, Range(uncheckedBounds: (lower, upper))) }
      index &+= 1
    }
  }

  /// The parts of tensors that ``forEach(in:_:)`` finds.
  @inline(__always)
  func parts(of share: Range<Int>, _ order: PassOrder) -> Parts {
    let first = order == .forwards ? share.lowerBound : share.upperBound - 1
    return Parts(table: self, share: share, order: order, index: share.isEmpty ? -1 : firstEntry(endingAfter: first))
  }

  /// An iterator, because the update pass looks ahead.
  struct Parts: Sequence, IteratorProtocol {
    fileprivate let table: TensorTable
    fileprivate let share: Range<Int>
    fileprivate let order: PassOrder
    fileprivate var index: Int

    @inline(__always)
    mutating func next() -> (index: Int, part: Range<Int>)? {
      while index >= 0, index < table.entries.count {
        let (offset, count) = (table.entry(index).pointee.offset, table.entry(index).pointee.count)
        let isWithin = order == .forwards ? offset < share.upperBound : offset + count > share.lowerBound || count == 0
        guard isWithin else { return nil }
        let found = index
        index &+= order == .forwards ? 1 : -1
        let lower = Swift.max(share.lowerBound - offset, 0)
        let upper = Swift.min(share.upperBound - offset, count)
        if lower < upper { return (found, Range(uncheckedBounds: (lower, upper))) }
      }
      return nil
    }
  }

  private func firstEntry(endingAfter position: Int) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      let entry = entry(middle)
      if entry.pointee.offset + entry.pointee.count <= position { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Sets a field unless it already has the value: a cache line that nobody writes stays in the caches of all threads.
@inline(__always)
func setIfChanged<Value: Equatable>(_ field: inout Value, to value: Value) {
  if field != value { field = value }
}
