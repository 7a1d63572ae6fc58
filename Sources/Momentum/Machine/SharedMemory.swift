/// Zeroed memory that several owners may hold, freed with the last of them. Where the system has none left it throws, which
/// Swift's own buffers cannot.
package final class SharedMemory: @unchecked Sendable {  // an address; whoever holds it guards the access
  private let memory: AlignedMemory
  package let byteCount: Int

  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  package init(byteCount: Int) throws(MomentumError) {
    memory = try AlignedMemory(byteCount: byteCount)
    self.byteCount = byteCount
  }

  /// Memory for a number of elements.
  ///
  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  package convenience init<Element: BitwiseCopyable>(of _: Element.Type, count: Int) throws(MomentumError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard !overflow else { throw .allocationFailed(bytes: .max) }
    try self.init(byteCount: bytes)
  }

  deinit { memory.deallocate() }

  /// The first byte, at a multiple of 64, from 16 KiB on of a page; valid as long as an owner lives.
  package var start: UnsafeMutableRawPointer { memory.base }

  /// All memory as elements.
  package func elements<Element: BitwiseCopyable>(as type: Element.Type) -> UnsafeMutableBufferPointer<Element> {
    let count = byteCount / MemoryLayout<Element>.stride
    return UnsafeMutableBufferPointer(start: start.bindMemory(to: type, capacity: count), count: count)
  }
}
