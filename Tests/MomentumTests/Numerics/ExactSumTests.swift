import MomentumTestSupport
import XCTest

@testable import Momentum

/// The long accumulator against an integer of as many bits as it takes.
final class ExactSumTests: XCTestCase {
  private let edges: [Double] = [
    0, 1, 3, 0.1, 1e300, 1e-300, .greatestFiniteMagnitude, .leastNormalMagnitude, .leastNonzeroMagnitude,
    0x1.fffffffffffffp-1022, Double.leastNormalMagnitude.nextDown, 0x1p-537, 0x1p-538, 0x1p511, 0x1p512,
    0x1.0000000000001p0,
  ]

  func testSumsOfNumbersRoundOnce() {
    for (seed, numbers) in samples().enumerated() {
      var sum = ExactSum()
      var oracle = BigSum()
      for number in numbers {
        sum.add(number)
        oracle.add(number)
      }
      XCTAssertEqual(sum.rounded(), oracle.rounded(), "seed \(seed)")
    }
  }

  func testSumsOfSquaresRoundOnce() {
    for (seed, numbers) in samples().enumerated() {
      var sum = ExactSum()
      var oracle = BigSum()
      for number in numbers {
        sum.addSquare(-number)
        oracle.addSquare(number)
      }
      XCTAssertEqual(sum.rounded(), oracle.rounded(), "seed \(seed)")
    }
  }

  func testEveryEdgeAlone() {
    for number in edges {
      var (sum, square) = (ExactSum(), ExactSum())
      sum.add(number)
      square.addSquare(number)
      XCTAssertEqual(sum.rounded(), ScaledDouble(number), "\(number)")
      var oracle = BigSum()
      oracle.addSquare(number)
      XCTAssertEqual(square.rounded(), oracle.rounded(), "\(number)")
    }
  }

  func testTiesGoToTheEvenNumber() {
    let (one, half) = (1.0, 0x1p-53)
    XCTAssertEqual(sum([1, half]).double, 1)
    XCTAssertEqual(sum([one.nextUp, half]).double, one.nextUp.nextUp)
    // The smallest number there is breaks the tie, two thousand bits further down.
    XCTAssertEqual(sum([1, half, .leastNonzeroMagnitude]).double, one.nextUp)
    XCTAssertEqual(sum([1, half.nextDown]).double, 1)
    // A carry out of the significand.
    XCTAssertEqual(sum([(2 * one).nextDown, half]).double, 2)
  }

  func testSplitSumsKeepTheDigitsThatRoundingDrops() {
    // In the window, in the limbs, and farther apart than 97 digits.
    for exponent in [-30, -60, -100] {
      let split = exact([1, 1, Double(sign: .plus, exponent: exponent, significand: 1.5)]).split()
      let kept = exponent == -30 ? 2 + 0x1.8p-30 : 2
      XCTAssertEqual(split.high, ScaledDouble(kept), "2^\(exponent)")
      XCTAssertEqual(split.low, ScaledDouble(exponent == -60 ? 0x1.8p-60 : 0), "2^\(exponent)")
    }
    // Cut, not rounded: the rest is never negative.
    let split = exact([1, 0x1.8p-53]).split()
    XCTAssertEqual(split.high, ScaledDouble(1))
    XCTAssertEqual(split.low, ScaledDouble(0x1.8p-53))
    XCTAssertEqual(ExactSum().split().high, ScaledDouble(0))
    XCTAssertEqual(ExactSum().split().low, ScaledDouble(0))
  }

  func testTheEndsOfTheRange() {
    var top = ExactSum()
    for _ in 0..<100 { top.addSquare(.greatestFiniteMagnitude) }
    XCTAssertEqual(top.rounded(), ScaledDouble(100 * (1 - 0x1p-52), exponent: 2048))
    // The smallest square, normalised, has 52 zeros below the lowest bit of the sum.
    var bottom = ExactSum()
    bottom.add(1.0, exponent: -2148)
    XCTAssertEqual(bottom.rounded(), ScaledDouble(1, exponent: -2148))
    bottom.add(1.0, exponent: -2176)
    bottom.add(1.0, exponent: -9000)
    XCTAssertEqual(bottom.rounded(), ScaledDouble(1 + 0x1p-28, exponent: -2148))
  }

  func testOrderAndGroupingDoNotMatter() {
    var random = SeededGenerator(seed: 3)
    let numbers = random.magnitudes(400, exponents: -1000...1000)
    let expected = sum(numbers)
    for _ in 0..<20 {
      var parts = [ExactSum](repeating: ExactSum(), count: Int.random(in: 1...9, using: &random))
      for number in numbers.shuffled(using: &random) {
        parts[Int.random(in: parts.indices, using: &random)].add(number)
      }
      var total = ExactSum()
      for part in parts.shuffled(using: &random) { total.add(part) }
      XCTAssertEqual(total.rounded(), expected)
      XCTAssertEqual(total, exact(numbers))
      XCTAssertEqual(total.hashValue, exact(numbers).hashValue)
    }
  }

  func testCarriesTravelAllTheWay() {
    // 2¹⁰⁰ - 2⁻⁵⁰ in pieces, then 2⁻⁵⁰: every limb between is full and must pass the carry on.
    var sum = ExactSum()
    for exponent in -50..<100 { sum.add(UInt64(1), exponent: exponent) }
    XCTAssertNotEqual(sum.rounded(), ScaledDouble(1, exponent: 99))
    sum.add(UInt64(1), exponent: -50)
    XCTAssertEqual(sum.rounded(), ScaledDouble(1, exponent: 100))
    var direct = ExactSum()
    direct.add(0x1p100)
    XCTAssertEqual(sum, direct)
    XCTAssertEqual(sum.words, direct.words)
  }

  func testAFullWindowLosesNothing() {
    // The first deposit fixes the window; the others are the largest that fit it, more than it holds of them.
    let (largest, count) = ((UInt64(1) << 53) - 1, 1 << 22 | 9)
    var sum = ExactSum()
    sum.add(UInt64(1), exponent: 0)
    for _ in 0..<count { sum.add(largest, exponent: 26) }
    var direct = ExactSum()
    direct.add(UInt64(1), exponent: 0)
    // The same by doubling: count · largest = Σ of its bits.
    for bit in 0..<64 where UInt64(count) >> UInt64(bit) & 1 == 1 { direct.add(largest, exponent: 26 + bit) }
    XCTAssertEqual(sum, direct)
    XCTAssertEqual(sum.rounded(), direct.rounded())
  }

  func testSumsThatNeverLeaveTheWindowRoundAlike() {
    // The same numbers with and without limbs: a summand far away, and one that is too small to count, make them.
    var random = SeededGenerator(seed: 5)
    for seed in 0..<50 {
      let numbers = random.magnitudes(20, exponents: 0...12)
      var (sum, oracle) = (exact(numbers), BigSum())
      for number in numbers { oracle.add(number) }
      XCTAssertEqual(sum.rounded(), oracle.rounded(), "seed \(seed)")
      sum.add(0)
      XCTAssertEqual(sum.rounded(), oracle.rounded(), "seed \(seed)")
      XCTAssertEqual(ExactSum(words: sum.words)?.rounded(), oracle.rounded(), "seed \(seed)")
    }
    XCTAssertEqual(ExactSum().rounded(), ScaledDouble(0))
  }

  func testEqualSumsHaveEqualWords() throws {
    let numbers: [Double] = [1e300, 1e-300, 3, 0.1, .leastNonzeroMagnitude]
    let words = exact(numbers).words
    XCTAssertEqual(words.count, ExactSum.limbCount)
    XCTAssertTrue(words.allSatisfy { $0 < 1 << 32 })
    XCTAssertEqual(exact(numbers.reversed()).words, words)
    XCTAssertEqual(try XCTUnwrap(ExactSum(words: words)), exact(numbers))
  }

  func testSumsOfWordsAreTheWordsOfSums() throws {
    var random = SeededGenerator(seed: 4)
    let numbers = random.magnitudes(900, exponents: -600...600)
    var words = [UInt64](repeating: 0, count: ExactSum.limbCount)
    for start in stride(from: 0, to: numbers.count, by: 9) {
      for (i, word) in exact(Array(numbers[start..<start + 9])).words.enumerated() { words[i] += word }
    }
    XCTAssertEqual(try XCTUnwrap(ExactSum(words: words)), exact(numbers))
  }

  func testRefusesWordsThatAreNone() {
    XCTAssertNil(ExactSum(words: [UInt64](repeating: 0, count: ExactSum.limbCount - 1)))
    var words = [UInt64](repeating: 0, count: ExactSum.limbCount)
    words[ExactSum.limbCount - 1] = 1
    XCTAssertNil(ExactSum(words: words))
  }

  // MARK: Helpers

  private func exact(_ numbers: [Double]) -> ExactSum {
    var sum = ExactSum()
    for number in numbers { sum.add(number) }
    return sum
  }

  private func sum(_ numbers: [Double]) -> ScaledDouble { exact(numbers).rounded() }

  private func samples() -> [[Double]] {
    (0..<30).map { seed in
      var random = SeededGenerator(seed: UInt64(seed))
      let span = [3, 60, 500, 1020][seed % 4]
      let numbers = random.magnitudes(40, exponents: -span...span)
      return seed % 3 == 0 ? numbers + edges : numbers
    }
  }
}

/// A non-negative integer times 2⁻²¹⁸⁰, one bit after the other: slow, and too simple to be wrong.
private struct BigSum {
  private static let lowest = -2180
  private var bits = [Bool](repeating: false, count: 4500)

  mutating func add(_ value: Double) {
    guard value != 0 else { return }
    add(Self.digits(of: value), at: value.ulp.exponent)
  }

  mutating func addSquare(_ value: Double) {
    guard value != 0 else { return }
    // Schoolbook multiplication: the number added to itself, shifted, for each of its bits.
    let digits = Self.digits(of: value)
    for bit in 0..<53 where digits >> UInt64(bit) & 1 == 1 { add(digits, at: 2 * value.ulp.exponent + bit) }
  }

  /// The number in units of its last place.
  private static func digits(of value: Double) -> UInt64 {
    value.isNormal ? value.significandBitPattern | 1 << 52 : value.significandBitPattern
  }

  private mutating func add(_ integer: UInt64, at exponent: Int) {
    for bit in 0..<64 where integer >> UInt64(bit) & 1 == 1 {
      var position = exponent + bit - Self.lowest
      while bits[position] {
        bits[position] = false
        position += 1
      }
      bits[position] = true
    }
  }

  func rounded() -> ScaledDouble {
    guard let top = bits.lastIndex(of: true) else { return ScaledDouble(0) }
    let last = max(0, top - 52)
    var significand: UInt64 = 0
    for position in stride(from: top, through: last, by: -1) {
      significand = significand << 1 | (bits[position] ? 1 : 0)
    }
    let half = last > 0 && bits[last - 1]
    let rest = last > 1 && bits[..<(last - 1)].contains(true)
    if half, rest || significand & 1 == 1 { significand += 1 }
    return ScaledDouble(Double(significand), exponent: Self.lowest + last)
  }
}
