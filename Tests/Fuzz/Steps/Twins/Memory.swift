import Momentum

/// One vector of all tensors at an odd address.
final class FlatMemory<Scalar: BLASScalar> {
  let buffer: UnsafeMutableBufferPointer<Scalar>
  private let raw: UnsafeMutableRawPointer

  init(_ count: Int, shift: Int) {
    raw = .allocate(byteCount: (count + shift + 1) * MemoryLayout<Scalar>.stride, alignment: 4096)
    let all = raw.bindMemory(to: Scalar.self, capacity: count + shift + 1)
    all.initialize(repeating: 0, count: count + shift + 1)
    buffer = UnsafeMutableBufferPointer(start: all + shift, count: count)
  }

  deinit { raw.deallocate() }
}

/// Memory for each tensor on its own: in another order than that of the layout, at odd addresses, with gaps that nobody
/// may write.
final class ScatteredMemory<Scalar: BLASScalar> {
  private(set) var tensors: [UnsafeMutableBufferPointer<Scalar>] = []
  private let all: UnsafeMutableBufferPointer<Scalar>
  private var gaps: [Range<Int>] = []
  private let raw: UnsafeMutableRawPointer
  private static var untouched: Scalar { 77.25 }

  init(_ counts: [Int], _ random: inout Random) {
    var starts = Array(repeating: 0, count: counts.count)
    var end = 0
    for tensor in counts.indices.shuffled(using: &random) {
      let gap = random.within(1...18)
      gaps.append(end..<end + gap)
      starts[tensor] = end + gap
      end += gap + counts[tensor]
    }
    gaps.append(end..<end + 16)
    raw = .allocate(byteCount: (end + 16) * MemoryLayout<Scalar>.stride, alignment: 4096)
    all = UnsafeMutableBufferPointer(start: raw.bindMemory(to: Scalar.self, capacity: end + 16), count: end + 16)
    all.initialize(repeating: Self.untouched)
    // A tensor without elements need not have an address.
    let hasAddress = random.chance(0.5)
    for (count, start) in zip(counts, starts) {
      tensors.append(
        UnsafeMutableBufferPointer(start: count == 0 && !hasAddress ? nil : all.baseAddress! + start, count: count))
    }
  }

  deinit { raw.deallocate() }

  var gapsAreUntouched: Bool { gaps.allSatisfy { $0.allSatisfy { all[$0] == Self.untouched } } }
}

extension UnsafeMutableBufferPointer {
  /// One buffer for each tensor of a flat vector.
  func tensors(of layout: ParameterLayout) -> [UnsafeMutableBufferPointer] {
    layout.tensors.map { UnsafeMutableBufferPointer(rebasing: self[$0.range]) }
  }
}
