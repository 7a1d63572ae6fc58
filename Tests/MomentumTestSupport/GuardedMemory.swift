#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#elseif canImport(Darwin)
  internal import Darwin
#endif
internal import Synchronization

/// Elements at a chosen distance from a 64-byte boundary, with guards on both sides that must keep their bits, and on
/// pages of their own, so that reading or writing them can be forbidden.
public final class GuardedMemory<S: BinaryFloatingPoint>: @unchecked Sendable {  // tests use one thread at a time
  public let count: Int
  /// The first element.
  public let base: UnsafeMutablePointer<S>
  private let start: UnsafeMutableRawPointer
  private let length: Int

  /// A NaN with a payload that no arithmetic produces.
  private static var guardByte: UInt8 { 0xFB }
  private static var guardBytes: Int { 256 }

  /// - Parameter shift: How many elements past a multiple of 64 bytes the first element lies.
  public init(_ elements: [S], shift: Int = 0) {
    count = elements.count
    let size = MemoryLayout<S>.stride
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let needed = 2 * Self.guardBytes + (count + shift) * size
    length = (needed + page - 1) / page * page
    start = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    precondition(start != MAP_FAILED, "no memory for a test")
    memset(start, Int32(Self.guardByte), length)
    base = (start + Self.guardBytes + shift * size).bindMemory(to: S.self, capacity: count)
    elements.withUnsafeBufferPointer { if let source = $0.baseAddress { base.initialize(from: source, count: count) } }
  }

  deinit { RetiredPages.retire(start, length) }

  public var buffer: UnsafeMutableBufferPointer<S> { UnsafeMutableBufferPointer(start: base, count: count) }
  public var readOnlyBuffer: UnsafeBufferPointer<S> { UnsafeBufferPointer(buffer) }
  public var elements: [S] { Array(buffer) }

  /// Whether nothing around the elements has been written.
  public var guardsAreIntact: Bool {
    let end = UnsafeMutableRawPointer(base + count)
    return Self.isGuard(start, UnsafeMutableRawPointer(base) - start) && Self.isGuard(end, start + length - end)
  }

  /// Whether all bytes are guards. Bytes that are as they are one further on are all alike, which one call finds out.
  private static func isGuard(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> Bool {
    count == 0 || (bytes.load(as: UInt8.self) == guardByte && memcmp(bytes, bytes + 1, count - 1) == 0)
  }

  /// Lets any write of the elements end the process.
  public func forbidWriting() { mprotect(start, length, PROT_READ) }

  /// Lets any access to the elements end the process.
  public func forbidAccess() { mprotect(start, length, PROT_NONE) }

  /// Takes both bans back.
  public func allowEverything() { mprotect(start, length, PROT_READ | PROT_WRITE) }
}

/// Pages that no test holds any more, unmapped a while later.
///
/// The optimizing compiler ends the life of an object after its last mention, and a test that hands a buffer on does not
/// mention the memory again.
private enum RetiredPages {
  private static let most = 512
  private static let pages = Mutex<[(start: UInt, length: Int)]>([])

  static func retire(_ start: UnsafeMutableRawPointer, _ length: Int) {
    let oldest = pages.withLock { pages in
      pages.append((UInt(bitPattern: start), length))
      return pages.count > most ? pages.removeFirst() : nil
    }
    if let oldest { munmap(UnsafeMutableRawPointer(bitPattern: oldest.start), oldest.length) }
  }
}
