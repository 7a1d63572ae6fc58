internal import Synchronization

/// Memory of a call, taken from an earlier call if that has left enough: for a call of a microsecond, to ask the system for
/// memory and to give it back would take as long as its arithmetic.
///
/// The process keeps one block for each use, of at most ``most`` bytes. Calls at the same time are no danger: one that finds
/// nothing asks the system.
struct RecycledMemory: ~Copyable, @unchecked Sendable {  // whoever holds it guards the access
  /// What a block is for; blocks for one use are of about the same size.
  enum Use { case table, tiles }

  /// What a block begins with, before ``base``.
  private struct Header {
    let memory: AlignedMemory
    let byteCount: Int
  }

  let base: UnsafeMutableRawPointer
  let byteCount: Int
  private let use: Use

  private static let headerBytes = 64
  /// Enough for the tiles of a dozen threads; more is not worth keeping, as the calls that need it are long.
  private static let most = 1 << 20
  /// The addresses of the blocks that are kept, or 0.
  private static let keptTable = Atomic<UInt>(0)
  private static let keptTiles = Atomic<UInt>(0)

  /// Memory of at least a size: zeroed for a table; of tiles, which are written before they are read, it may hold anything.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  init(byteCount: Int, for use: Use) throws(MomentumError) {
    self.use = use
    if let block = Self.exchange(nil, for: use) {
      let header = block.load(as: Header.self)
      if header.byteCount >= byteCount {
        (base, self.byteCount) = (block + Self.headerBytes, header.byteCount)
        if use == .table { base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount) }
        return
      }
      header.memory.deallocate()
    }
    let (bytes, overflow) = byteCount.addingReportingOverflow(Self.headerBytes)
    guard !overflow else { throw .allocationFailed(bytes: byteCount) }
    let memory = try AlignedMemory(byteCount: bytes)
    memory.base.initializeMemory(as: Header.self, to: Header(memory: memory, byteCount: byteCount))
    (base, self.byteCount) = (memory.base + Self.headerBytes, byteCount)
  }

  deinit {
    let block = base - Self.headerBytes
    let rest = byteCount <= Self.most ? Self.exchange(block, for: use) : block
    rest?.load(as: Header.self).memory.deallocate()
  }

  /// Leaves a block, or nothing, for the next call, and takes the one that an earlier call has left.
  private static func exchange(_ block: UnsafeMutableRawPointer?, for use: Use) -> UnsafeMutableRawPointer? {
    let address = UInt(bitPattern: block)
    switch use {
    case .table: return .init(bitPattern: keptTable.exchange(address, ordering: .acquiringAndReleasing))
    case .tiles: return .init(bitPattern: keptTiles.exchange(address, ordering: .acquiringAndReleasing))
    }
  }
}
