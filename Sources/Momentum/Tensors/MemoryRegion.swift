/// A buffer of a call, for finding overlaps among many.
struct MemoryRegion {
  private let range: Range<UInt>
  private let tensor: Int
  private let role: StaticString

  init<Scalar>(_ buffer: UnsafeMutableBufferPointer<Scalar>, tensor: Int, _ role: StaticString) {
    self.init(
      buffer.baseAddress, byteCount: buffer.count * MemoryLayout<Scalar>.stride, tensor: tensor, role)
  }

  init(_ base: UnsafeRawPointer?, byteCount: Int, tensor: Int, _ role: StaticString) {
    let start = UInt(bitPattern: base)
    range = start..<start + UInt(byteCount)
    (self.tensor, self.role) = (tensor, role)
  }

  /// Throws if two regions share memory. This includes two gradients, although they are only read: a tied tensor must
  /// be passed once, or it would count twice in the norm.
  static func checkSeparate(_ regions: inout [MemoryRegion], name: (Int) -> String) throws(MomentumError) {
    regions.removeAll { $0.range.isEmpty }
    regions.sort { $0.range.lowerBound < $1.range.lowerBound }
    for (first, second) in zip(regions, regions.dropFirst()) where first.range.upperBound > second.range.lowerBound {
      throw .overlap(
        first: "\(first.role) of tensor '\(name(first.tensor))'",
        second: "\(second.role) of tensor '\(name(second.tensor))'")
    }
  }

  /// Whether two buffers share memory.
  static func overlap(_ x: UnsafeRawBufferPointer, _ y: UnsafeRawBufferPointer) -> Bool {
    guard let first = x.baseAddress, let second = y.baseAddress, !x.isEmpty, !y.isEmpty else { return false }
    return first < second + y.count && second < first + x.count
  }
}
