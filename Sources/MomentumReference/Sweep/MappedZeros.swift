import Momentum

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A vector of zeros that takes memory only for the pages that are written.
final class MappedZeros {
  let elements: UnsafeMutableBufferPointer<Float>
  private let byteCount: Int

  /// - Throws: ``Momentum/MomentumError/allocationFailed(bytes:)``.
  init(count: Int) throws(MomentumError) {
    byteCount = count * MemoryLayout<Float>.stride
    // Without a reservation the system does not check whether all pages could be written at the same time.
    let flags = MAP_PRIVATE | MAP_NORESERVE
    #if canImport(Darwin)
      let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags | MAP_ANON, -1, 0)
    #else
      let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0)
    #endif
    guard let start, start != MAP_FAILED else { throw .allocationFailed(bytes: byteCount) }
    elements = UnsafeMutableBufferPointer(start: start.bindMemory(to: Float.self, capacity: count), count: count)
  }

  deinit { munmap(elements.baseAddress, byteCount) }
}
