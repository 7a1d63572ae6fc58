import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Norms that are put together from parts: the same bits whatever the parts.
final class NormBitsTests: XCTestCase {
  private static let mergeable = [NormType.l1, .l2, .infinity]

  func testPartsAtTilesMergeToTheWholeFloat() throws { try partsMergeToTheWhole(Float.self) }
  func testPartsAtTilesMergeToTheWholeDouble() throws { try partsMergeToTheWhole(Double.self) }
  func testAlignmentDoesNotMatterFloat() throws { try alignmentDoesNotMatter(Float.self) }
  func testAlignmentDoesNotMatterDouble() throws { try alignmentDoesNotMatter(Double.self) }

  private func partsMergeToTheWhole<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 71)
    let x: [S] = random.numbers(11 * 2048 + 77, exponents: -30...30)
    for type in Self.mergeable {
      for algorithm in NormAlgorithm.allCases {
        let whole = try partial(x[...], type, algorithm)
        XCTAssertEqual(whole.norm, try norm([x], type: type, algorithm: algorithm).norm)
        for _ in 0..<6 {
          let cuts = (1...11).filter { _ in Bool.random(using: &random) }.map { $0 * 2048 }
          let edges = [0] + cuts + [x.count]
          var total = try NormPartial(type)
          for (start, end) in zip(edges, edges.dropFirst()).shuffled(using: &random) {
            total.merge(try partial(x[start..<end], type, algorithm))
          }
          XCTAssertEqual(total, whole, "\(type), \(algorithm), cut at \(cuts)")
          XCTAssertEqual(total.words, whole.words)
          XCTAssertEqual(total.norm.bitPattern, whole.norm.bitPattern)
        }
      }
    }
  }

  private func alignmentDoesNotMatter<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 72)
    let x: [S] = random.numbers(2048 + 430)
    for type in Self.mergeable + [.p(3), .p(2.5)] {
      for algorithm in NormAlgorithm.allCases {
        let expected = try norm([x], type: type, algorithm: algorithm).norm
        for shift in 0..<64 {
          XCTAssertEqual(
            try norm([x], type: type, algorithm: algorithm, shift: shift).norm, expected,
            "\(type), \(algorithm), shift \(shift)")
        }
      }
    }
  }

  func testOneSmallBufferIsNoSpecialCaseFloat() throws { try oneSmallBufferIsNoSpecialCase(Float.self) }
  func testOneSmallBufferIsNoSpecialCaseDouble() throws { try oneSmallBufferIsNoSpecialCase(Double.self) }

  /// A single buffer is summed by a shorter way if its tiles are alike; here they are, almost are, and are not.
  private func oneSmallBufferIsNoSpecialCase<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 74)
    for length in [0, 1, 31, 2047, 2048, 2049, 3 * 2048 + 77] {
      for exponent in [0, 7, 13, 14, 15, 16, 30, 70] {
        var x: [S] = random.numbers(length)
        // The first tile is this much smaller than the others.
        for i in x.indices.prefix(2048) { x[i] *= S(sign: .plus, exponent: -exponent, significand: 1) }
        let memory = GuardedMemory(x, shift: exponent % 5)
        let whole = try NormPartial(of: memory.readOnlyBuffer)
        let single = try Gradients.norm(of: memory.readOnlyBuffer)
        let listed = try Gradients.norm(of: [memory.readOnlyBuffer])
        XCTAssertEqual(single, listed, "\(length), 2^-\(exponent)")
        XCTAssertEqual(single.norm.bitPattern, whole.norm.bitPattern, "\(length), 2^-\(exponent)")
        var parts = try NormPartial(.l2)
        for start in stride(from: 0, to: length, by: 2048) {
          parts.merge(try partial(x[start..<min(start + 2048, length)], .l2))
        }
        XCTAssertEqual(single.norm.bitPattern, parts.norm.bitPattern, "\(length), 2^-\(exponent)")
      }
    }
  }

  func testWordsComeBack() throws {
    for type in Self.mergeable {
      let whole = try partial([1.0, -2.5, .nan, .infinity, 1e-300, -.infinity], type)
      let copy = try NormPartial(type, words: whole.words)
      XCTAssertEqual(copy, whole)
      XCTAssertEqual([copy.nanCount, copy.infinityCount], [1, 2])
      XCTAssertEqual(whole.words.count, NormPartial.wordCount)
      let decoded = try JSONDecoder().decode(NormPartial.self, from: JSONEncoder().encode(whole))
      XCTAssertEqual(decoded, whole)
      XCTAssertEqual(decoded.hashValue, whole.hashValue)
    }
  }

  func testSumsOfWordsAreTheMergedPartial() throws {
    var random = SeededGenerator(seed: 73)
    for type in [NormType.l1, .l2] {
      let shards: [[Double]] = (0..<16).map { _ in random.numbers(2048, exponents: -500...500) } + [[.nan, .infinity]]
      var words = [UInt64](repeating: 0, count: NormPartial.wordCount)
      var merged = try NormPartial(type)
      for shard in shards {
        let part = try partial(shard[...], type)
        for (index, word) in part.words.enumerated() { words[index] += word }
        merged.merge(part)
      }
      XCTAssertEqual(try NormPartial(type, words: words), merged)
    }
  }

  func testRefusesWordsOfSomethingElse() throws {
    XCTAssertThrowsError(try NormPartial(.l2, words: [1, 2, 3])) {
      XCTAssertEqual("\($0)", "words has count 3; expected \(NormPartial.wordCount)")
    }
    var words = try NormPartial(.l2).words
    words[NormPartial.wordCount - 1] = Double.nan.bitPattern
    XCTAssertThrowsError(try NormPartial(.l2, words: words)) {
      XCTAssertEqual(
        "\($0)", "words is not those of a partial norm; expected the words of partial norms")
    }
    XCTAssertThrowsError(try NormPartial(.p(3))) {
      XCTAssertEqual("\($0)", "normType is 3.0; expected 1, 2 or inf for a partial norm")
    }
  }

  func testTheMaximumMergesAsAMaximum() throws {
    var total = try partial([1.0, -7, 3], .infinity)
    total.merge(try partial([5.0], .infinity))
    XCTAssertEqual(total.norm, 7)
    total.merge(try partial([Double.nan], .infinity))
    XCTAssertTrue(total.norm.isNaN, "a NaN is seen wherever it is")
  }

  func testNothingHasTheNormZero() throws {
    for type in Self.mergeable {
      XCTAssertEqual(try NormPartial(type).norm, 0)
      XCTAssertEqual(try norm([[Float]](), type: type).norm, 0)
      XCTAssertEqual(try norm([[Float](), []], type: type).norm, 0)
    }
  }

  private func partial<S: BLASScalar>(
    _ x: ArraySlice<S>, _ type: NormType, _ algorithm: NormAlgorithm = .blas
  ) throws -> NormPartial {
    let memory = GuardedMemory(Array(x), shift: x.startIndex % 7)
    defer { withExtendedLifetime(memory) {} }
    return try NormPartial(of: memory.readOnlyBuffer, type: type, algorithm: algorithm)
  }
}
