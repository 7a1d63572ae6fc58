internal import Foundation
internal import XCTest

/// How far a result is from what was expected, in units in the last place of its own type.
public struct Closeness: Sendable {
  /// The largest distance, and where it is; infinite if one side is NaN or infinite and the other is not the same.
  public private(set) var worst = 0.0
  public private(set) var index: Int?
  /// A sentence about the worst element.
  public private(set) var description = "equal"

  public init() {}

  /// The distance between a number and a wider reference, in units in the last place that the number's type has at the
  /// reference.
  ///
  /// - NaN is as far as it gets from everything but NaN; infinities count only if they are equal.
  /// - A finite reference that rounds to infinity agrees with that infinity.
  /// - Zeros of either sign are equal; ``firstDifferentBits(_:_:)`` tells them apart.
  public static func ulps<Wide: BinaryFloatingPoint, S: BinaryFloatingPoint>(_ expected: Wide, _ observed: S) -> Double
  {
    let rounded = S(expected)
    if rounded.isNaN || observed.isNaN { return rounded.isNaN && observed.isNaN ? 0 : .infinity }
    if rounded.isInfinite || observed.isInfinite { return rounded == observed ? 0 : .infinity }
    // The unit of the rounded number; near zero that of the subnormals.
    let unit = Wide(max(rounded.magnitude.ulp, S.leastNonzeroMagnitude))
    return Double((Wide(observed) - expected).magnitude / unit)
  }

  /// Takes another pair into account.
  ///
  /// - Parameter distance: Replaces the distance in ulps, for comparisons by another measure.
  public mutating func add<Wide: BinaryFloatingPoint, S: BinaryFloatingPoint>(
    _ expected: Wide, _ observed: S, at index: Int, distance: Double? = nil
  ) {
    let ulps = distance ?? Self.ulps(expected, observed)
    guard ulps > worst || ulps.isNaN else { return }
    (worst, self.index) = (ulps.isNaN ? .infinity : ulps, index)
    description = "index \(index): expected \(expected), observed \(observed), \(worst) ulp"
  }

  /// Compares element by element.
  public static func between<Wide: BinaryFloatingPoint, S: BinaryFloatingPoint>(
    _ expected: [Wide], _ observed: [S]
  ) -> Closeness {
    var closeness = Closeness()
    for (index, pair) in zip(expected, observed).enumerated() { closeness.add(pair.0, pair.1, at: index) }
    return closeness
  }

  /// Why two arrays are not within `ulps` of each other, or `nil` if they are; and the worst distance.
  public static func failure<Wide: BinaryFloatingPoint, S: BinaryFloatingPoint>(
    _ expected: [Wide], _ observed: [S], ulps: Double, seed: UInt64? = nil
  ) -> (failure: String?, worst: Double) {
    guard expected.count == observed.count else {
      return ("\(observed.count) elements instead of \(expected.count)", .infinity)
    }
    let closeness = between(expected, observed)
    guard closeness.worst > ulps else { return (nil, closeness.worst) }
    let seed = seed.map { "; seed \($0)" } ?? ""
    return ("\(closeness.description); allowed \(ulps)\(seed)", closeness.worst)
  }

  /// The first position at which two arrays differ in a bit, the sign of zeros and the payload of NaN included.
  public static func firstDifferentBits<S: BinaryFloatingPoint>(_ x: [S], _ y: [S]) -> Int? {
    guard x.count == y.count else { return min(x.count, y.count) }
    return x.withUnsafeBytes { x in
      y.withUnsafeBytes { y in
        // Equal as a rule, which one call finds out.
        if x.isEmpty || memcmp(x.baseAddress!, y.baseAddress!, x.count) == 0 { return nil }
        let size = MemoryLayout<S>.size
        return zip(x, y).enumerated().first { $0.element.0 != $0.element.1 }.map { $0.offset / size }
      }
    }
  }

  /// The first position at which two vectors differ in a bit; a NaN is one, whatever its payload.
  public static func firstDifferentNumber<S: BinaryFloatingPoint>(
    _ x: UnsafeBufferPointer<S>, _ y: UnsafeBufferPointer<S>
  ) -> Int? {
    guard x.count == y.count else { return min(x.count, y.count) }
    if x.isEmpty || memcmp(x.baseAddress!, y.baseAddress!, x.count * MemoryLayout<S>.stride) == 0 { return nil }
    return x.indices.first { index in
      let (x, y) = (x[index], y[index])
      return x.isNaN ? !y.isNaN : x != y || x.sign != y.sign
    }
  }
}

/// Fails unless every element is within `ulps` units in the last place of its type of a wider reference.
///
/// - Returns: The worst distance, for the record.
@discardableResult
public func assertClose<Wide: BinaryFloatingPoint, S: BinaryFloatingPoint>(
  _ expected: [Wide], _ observed: [S], ulps: Double, seed: UInt64? = nil, _ message: @autoclosure () -> String = "",
  file: StaticString = #filePath, line: UInt = #line
) -> Double {
  let (failure, worst) = Closeness.failure(expected, observed, ulps: ulps, seed: seed)
  if let failure { XCTFail("\(failure); \(message())", file: file, line: line) }
  return worst
}

/// Fails unless a number is within `ulps` units in the last place of its type of a wider reference.
@discardableResult
public func assertClose<Wide: BinaryFloatingPoint, S: BinaryFloatingPoint>(
  _ expected: Wide, _ observed: S, ulps: Double, seed: UInt64? = nil, _ message: @autoclosure () -> String = "",
  file: StaticString = #filePath, line: UInt = #line
) -> Double {
  assertClose([expected], [observed], ulps: ulps, seed: seed, message(), file: file, line: line)
}

/// Fails unless two arrays have the same bits.
public func assertSameBits<S: BinaryFloatingPoint>(
  _ expected: [S], _ observed: [S], seed: UInt64? = nil, _ message: @autoclosure () -> String = "",
  file: StaticString = #filePath, line: UInt = #line
) {
  guard let index = Closeness.firstDifferentBits(expected, observed) else { return }
  let pair =
    index < min(expected.count, observed.count)
    ? "expected \(expected[index]), observed \(observed[index])" : "counts \(expected.count) and \(observed.count)"
  let seed = seed.map { "; seed \($0)" } ?? ""
  XCTFail("bits differ at index \(index): \(pair)\(seed); \(message())", file: file, line: line)
}
