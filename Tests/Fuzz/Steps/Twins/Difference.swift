import Foundation
import Momentum

/// What does not agree, and where.
struct Difference: Error {
  /// Which two, and in what: "threads against alone, velocity".
  var what: String
  var tensor: String?
  var index: Int?
  var expected: String
  var found: String

  init(_ what: String, tensor: String? = nil, index: Int? = nil, expected: Any, found: Any) {
    (self.what, self.tensor, self.index) = (what, tensor, index)
    (self.expected, self.found) = ("\(expected)", "\(found)")
  }

  var description: String {
    let place = (tensor.map { ", tensor '\($0)'" } ?? "") + (index.map { ", index \($0)" } ?? "")
    return "\(what)\(place): expected \(expected), found \(found)"
  }
}

/// Comparisons bit for bit. All NaNs count as one: sign and payload of a NaN follow the order of operands in machine code.
enum Bits {
  static func firstDifference<Scalar: BinaryFloatingPoint>(
    _ x: UnsafeBufferPointer<Scalar>, _ y: UnsafeBufferPointer<Scalar>
  ) -> Int? {
    guard x.count == y.count else { return min(x.count, y.count) }
    // Equal as a rule, which one call finds out.
    guard let first = x.baseAddress, let second = y.baseAddress,
      memcmp(first, second, x.count * MemoryLayout<Scalar>.size) != 0
    else { return nil }
    return x.indices.first { !areSame(x[$0], y[$0]) }
  }

  static func firstDifference<Scalar: BinaryFloatingPoint>(_ x: [Scalar], _ y: [Scalar]) -> Int? {
    x.withUnsafeBufferPointer { x in y.withUnsafeBufferPointer { y in firstDifference(x, y) } }
  }

  static func areSame<Scalar: BinaryFloatingPoint>(_ x: Scalar, _ y: Scalar) -> Bool {
    if x.isNaN || y.isNaN { return x.isNaN && y.isNaN }
    return x == y && x.sign == y.sign
  }

  /// Numbers that may be missing.
  static func areSame(_ x: Double?, _ y: Double?) -> Bool {
    guard let x, let y else { return x == nil && y == nil }
    return areSame(x, y)
  }
}
