/// Where the operands of every tensor lie, and the tile grid over them: all that the two passes need to know of a step.
///
/// Lives as long as its optimizer, so that a step after the first allocates nothing.
final class TensorTable<Scalar: BLASScalar>: @unchecked Sendable {  // written between passes, by one thread
  typealias Pointer = UnsafeMutablePointer<Scalar>

  /// Where one tensor lies and which program runs on it, as bound for the current step: all that a pass reads of most tensors.
  ///
  /// One cache line, written only when something changes: what stays the same from step to step is then in the caches of all
  /// threads. Hundreds of short tensors would otherwise take longer to look up than to update.
  struct Entry {
    var gradient: Pointer?
    var direction: Pointer?
    var parameters: Pointer?
    var average: Pointer?
    /// The first element's index in the concatenation of all tensors.
    var offset: Int
    var count: Int
    /// The index of its first tile in the tile sums.
    var firstTile: Int
    /// Which program to run; -1 leaves the tensor alone.
    var program: Int

    var tiles: Int { Tile.number(of: count) }
  }

  /// What the stages of a step have found of one tensor and decided about it.
  struct Decision {
    /// The group the tensor belongs to, -1 for none.
    var group = -1
    /// What norm clips multiply this tensor's gradient with.
    var coefficient = ScaledDouble(1)
    /// What the update rule multiplies the gradient of the whole tensor with.
    var ruleFactor = ScaledDouble(1)
    /// Where clipping by value moves this tensor's elements.
    var bounds: ValueBounds?
    /// What the units of this tensor's gradient are multiplied with, if they are: by clipping and by the update rule.
    var clipFactors: Factors?
    var ruleFactors: Factors?
    /// What the norm of the gradient in memory is after clipping by value and by unit norms, if the latter changes it.
    var unitClippedNorm: ScaledDouble?
    /// The norm of the gradient in memory, if a limit of the tensor's own asked for it; after clipping by value.
    var tensorNorm: ScaledDouble?
    /// The scales of the velocity and of the average after the current step.
    var newScale = 1.0
    var newAverageScale = 1.0

    /// Forgets the last step.
    mutating func reset() { self = Decision(group: group) }
  }

  /// The names of the tensors; none if they are known by their positions alone.
  private let names: [String]
  /// The shapes of the tensors; none if they are not known.
  let shapes: [[Int]]
  private(set) lazy var units = UnitMemory<Scalar>()
  let entries: UnsafeMutableBufferPointer<Entry>
  let decisions: UnsafeMutableBufferPointer<Decision>
  /// The number of elements and of tiles of all tensors.
  let count: Int
  let tiles: Int
  /// What the reduce pass measured of each tile, and of each tile after clipping by value.
  let sums: UnsafeMutableBufferPointer<TileSum>
  let clampedSums: UnsafeMutableBufferPointer<TileSum>
  /// The size of the cache that an update's tiles should fit: a first-level one, unless all vectors of a step stay in the last
  /// level's from step to step. Then memory is not what a step waits for, and longer calls of BLAS are better.
  let cacheBytes: Int
  /// What elements were divided by before their powers were summed: the largest one, for a general p-norm.
  var divisor = 1.0
  /// ``ThreadScratch`` of every thread, made by the first pass with so many threads.
  private var scratch: UnsafeMutableRawBufferPointer?

  /// - Parameter cacheBytes: Tests say how large a cache is; otherwise the machine does.
  init(counts: some Collection<Int>, names: [String] = [], shapes: [[Int]] = [], cacheBytes: Int? = nil) {
    (self.names, self.shapes) = (names, shapes)
    let lines = UnsafeMutableRawPointer.allocate(
      byteCount: counts.count * MemoryLayout<Entry>.stride, alignment: MemoryLayout<Entry>.stride)
    entries = UnsafeMutableBufferPointer(
      start: lines.bindMemory(to: Entry.self, capacity: counts.count), count: counts.count)
    decisions = .allocate(capacity: counts.count)
    decisions.initialize(repeating: Decision())
    var (offset, tile) = (0, 0)
    for (index, count) in counts.enumerated() {
      let entry = Entry(offset: offset, count: count, firstTile: tile, program: 0)
      entries.initializeElement(at: index, to: entry)
      offset += count
      tile += entry.tiles
    }
    (count, tiles) = (offset, tile)
    let staysInCache = count < Machine.lastLevelCacheBytes / (3 * MemoryLayout<Scalar>.stride)
    self.cacheBytes = cacheBytes ?? (staysInCache ? .max : Machine.firstLevelCacheBytes)
    // One allocation for both kinds of sums; `deinit` frees it by its first half.
    let both = UnsafeMutableBufferPointer<TileSum>.allocate(capacity: 2 * tile)
    both.initialize(repeating: TileSum(value: 0))
    (sums, clampedSums) = (
      UnsafeMutableBufferPointer(rebasing: both[..<tile]), UnsafeMutableBufferPointer(rebasing: both[tile...])
    )
  }

  /// An entry by address: a copy of one takes as long as a tile does.
  @inline(__always)
  func entry(_ index: Int) -> UnsafeMutablePointer<Entry> { entries.baseAddress.unsafelyUnwrapped + index }

  /// As ``entry(_:)``.
  @inline(__always)
  func decision(_ index: Int) -> UnsafeMutablePointer<Decision> { decisions.baseAddress.unsafelyUnwrapped + index }

  /// What errors call a tensor.
  func name(of index: Int) -> String { names.isEmpty ? "\(index)" : names[index] }

  deinit {
    entries.deallocate()
    decisions.deallocate()
    sums.deallocate()
    scratch?.deallocate()
  }

  /// Scratch memory for a number of threads; see ``ThreadScratch``.
  func scratch(threads: Int) -> UnsafeMutableRawPointer {
    let size = threads * ThreadScratch<Scalar>.byteCount
    if scratch?.count ?? 0 < size {
      scratch?.deallocate()
      scratch = .allocate(byteCount: size, alignment: 64)
    }
    return scratch!.baseAddress!
  }

  /// The address given to tensors without elements, which have none of their own. Never read or written.
  static var emptyTensor: Pointer { Pointer(bitPattern: MemoryLayout<Scalar>.alignment)! }

  /// Forgets what the last step decided.
  func resetDecisions() {
    for index in decisions.indices { decisions[index].reset() }
  }

  /// Binds one gradient a tensor, for passes that have no other operands.
  func bindGradients(_ gradients: some Sequence<Pointer?>) {
    for (index, gradient) in gradients.enumerated() { entries[index].gradient = gradient ?? Self.emptyTensor }
  }

  /// Calls `body` for the part of every tensor that lies in a range of the concatenation.
  @inline(__always)
  func forEach(in share: Range<Int>, _ body: (_ index: Int, _ part: Range<Int>) -> Void) {
    guard !share.isEmpty else { return }
    var index = firstEntry(endingAfter: share.lowerBound)
    while index < entries.count {
      let (offset, count) = (entry(index).pointee.offset, entry(index).pointee.count)
      guard offset < share.upperBound else { return }
      let lower = max(share.lowerBound - offset, 0)
      let upper = min(share.upperBound - offset, count)
      if lower < upper { body(index, Range(uncheckedBounds: (lower, upper))) }
      index &+= 1
    }
  }

  /// As ``forEach(in:_:)``, the last tensor first.
  @inline(__always)
  func forEachReversed(in share: Range<Int>, _ body: (_ index: Int, _ part: Range<Int>) -> Void) {
    guard !share.isEmpty else { return }
    var index = firstEntry(endingAfter: share.upperBound - 1)
    while index >= 0 {
      let (offset, count) = (entry(index).pointee.offset, entry(index).pointee.count)
      guard offset + count > share.lowerBound || count == 0 else { return }
      let lower = max(share.lowerBound - offset, 0)
      let upper = min(share.upperBound - offset, count)
      if lower < upper { body(index, Range(uncheckedBounds: (lower, upper))) }
      index &-= 1
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

/// Sets a field unless it has the value already: a line that nobody writes stays in the caches of all threads.
@inline(__always)
func setIfChanged<Value: Equatable>(_ field: inout Value, to value: Value) {
  if field != value { field = value }
}
