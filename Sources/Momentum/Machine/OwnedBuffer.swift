/// Zeroed memory for a number of values, freed with its owner. Where the system has none left it throws, which Swift's own
/// collections cannot.
struct OwnedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {  // whoever holds it guards the access
  private let memory: AlignedMemory
  let count: Int

  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  init(count: Int) throws(MomentumError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard !overflow else { throw .allocationFailed(bytes: .max) }
    memory = try AlignedMemory(byteCount: bytes)
    memory.base.bindMemory(to: Element.self, capacity: count)
    self.count = count
  }

  deinit { memory.deallocate() }

  /// The values; valid as long as the owner lives.
  var base: UnsafeMutablePointer<Element> { memory.base.assumingMemoryBound(to: Element.self) }
  var all: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: base, count: count) }
}
