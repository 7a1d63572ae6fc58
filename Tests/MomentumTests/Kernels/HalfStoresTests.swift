import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The ways to store `Float`s in 16 bits, each variant that this processor runs against the definition.
final class HalfStoresTests: XCTestCase {
  private func forEachVariant(_ body: (_ name: String, _ stores: momentum_half_stores) -> Void) {
    var position: Int32 = 0
    while let stores = momentum_half_stores_variant(position)?.pointee {
      body(String(cString: stores.name), stores)
      position += 1
    }
    XCTAssertGreaterThan(position, 0)
  }

  /// Numbers of all sizes, around every tie, and what is no number.
  private static let numbers: [Float] = {
    var bits: [UInt32] = []
    for upper in stride(from: UInt32(0), through: 0xffff, by: 7) {
      bits += [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map { upper << 16 | $0 }
    }
    bits += stride(from: UInt32(0), to: .max - 40_009, by: 40_009)
    bits += [0x7f7f_0000, 0x7f7f_7fff, 0x7f7f_8000, 0x7f7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7f80_0001, 0xffff_ffff]
    return bits.map { Float(bitPattern: $0) }
  }()

  func testSplitNumbersAreJoinedBitForBit() {
    let numbers = Self.numbers
    forEachVariant { name, stores in
      var upper = [UInt16](repeating: 0, count: numbers.count)
      var remainders = [Int16](repeating: 0, count: numbers.count)
      var joined = [Float](repeating: 0, count: numbers.count)
      stores.split_float(numbers, &upper, &remainders, numbers.count)
      stores.join_float(upper, remainders, &joined, numbers.count)
      for (index, number) in numbers.enumerated() {
        let what = "\(name), \(number) (\(String(number.bitPattern, radix: 16)))"
        if number.isNaN {
          XCTAssertEqual([upper[index], UInt16(bitPattern: remainders[index])], [0x7fc0, 0], what)
          continue
        }
        if joined[index].bitPattern != number.bitPattern { XCTFail("\(what): joined to \(joined[index])") }
        // To nearest; of two equally near the one that is farther from 0.
        let nearest = HalfOracle.bits(number, .bfloat16)
        let isTie = number.bitPattern & 0xffff == 0x8000
        let expected = isTie ? UInt16(truncatingIfNeeded: number.bitPattern >> 16) + 1 : nearest
        if upper[index] != expected { XCTFail("\(what): \(upper[index]), not \(expected)") }
      }
    }
  }

  func testStoringCountsWhatRoundingUndoes() {
    let numbers = Self.numbers
    // What is stored before: the nearest number, or another.
    let before = numbers.enumerated().map { index, number in
      index % 2 == 0 ? HalfOracle.bits(number, .bfloat16) : UInt16(0x3f80)
    }
    let after = numbers.map { HalfOracle.bits($0, .bfloat16) }
    let lost = numbers.indices.count {
      !numbers[$0].isNaN && before[$0] == after[$0] && HalfOracle.value(after[$0], .bfloat16) != Double(numbers[$0])
    }
    XCTAssertGreaterThan(lost, 1000)
    forEachVariant { name, stores in
      var stored = before
      XCTAssertEqual(stores.store_bfloat16(numbers, &stored, numbers.count), lost, name)
      XCTAssertEqual(stored, after, name)
    }
  }

  func testPhiloxHasItsKnownAnswers() {
    func words(_ counter: UInt32, _ key: UInt32) -> [UInt32] {
      var words = [UInt32](repeating: 0, count: 4)
      momentum_philox4x32(Array(repeating: counter, count: 4), Array(repeating: key, count: 2), &words)
      return words
    }
    XCTAssertEqual(words(0, 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    XCTAssertEqual(words(.max, .max), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    // The third of the authors' answers: digits of pi.
    var found = [UInt32](repeating: 0, count: 4)
    momentum_philox4x32(
      [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0], &found)
    XCTAssertEqual(found, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }

  /// Against the definition, with the numbers of Philox one block at a time, from any index on.
  func testStochasticRoundingFollowsItsDefinition() {
    let numbers = Self.numbers
    let place = momentum_random_place(key: 0x0123_4567_89ab_cdef, step: 0x1_0000_0007, stream: 1)
    for index in [0, 5, 64, 8 * 0x1_0000_0000 - 24] as [UInt64] {
      let expected = numbers.enumerated().map { offset, number -> UInt16 in
        let element = index + UInt64(offset)
        var words = [UInt32](repeating: 0, count: 4)
        let block = element / 8
        momentum_philox4x32(
          [UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32) | 1 << 28, 7, 1],
          [0x89ab_cdef, 0x0123_4567], &words)
        let random = words[Int(element % 8) / 2] >> (element % 2 == 0 ? 0 : 16) & 0xffff
        if number.bitPattern & 0x7fff_ffff >= 0x7f7f_0000 { return HalfOracle.bits(number, .bfloat16) }
        return UInt16((number.bitPattern + random) >> 16)
      }
      forEachVariant { name, stores in
        var found = [UInt16](repeating: 0, count: numbers.count)
        stores.store_stochastic_bfloat16(numbers, &found, numbers.count, place, index)
        XCTAssertEqual(found, expected, "\(name), from \(index) on")
        // In pieces.
        var pieces = [UInt16](repeating: 0, count: 300)
        var start = 0
        for count in [1, 7, 8, 63, 64, 65, 92] {
          numbers.withUnsafeBufferPointer { from in
            pieces.withUnsafeMutableBufferPointer {
              stores.store_stochastic_bfloat16(
                from.baseAddress! + start, $0.baseAddress! + start, count, place, index + UInt64(start))
            }
          }
          start += count
        }
        XCTAssertEqual(pieces, Array(expected[..<300]), "\(name), in pieces from \(index) on")
      }
    }
  }

  func testTheMeanOfStochasticRoundingIsTheNumber() {
    let count = 1 << 16
    for fraction in [0.1, 0.5, 0.75] as [Float] {
      let number = 1 + fraction * 0x1p-7
      var found = [UInt16](repeating: 0, count: count)
      momentum_store_stochastic_bfloat16(
        Array(repeating: number, count: count), &found, count,
        momentum_random_place(key: Rounding.key(seed: 3, tensor: "w"), step: 1, stream: 1), 0)
      XCTAssertEqual(Set(found), [0x3f80, 0x3f81])
      let up = Double(found.count { $0 == 0x3f81 })
      let expected = Double(count) * Double(fraction)
      XCTAssertEqual(up, expected, accuracy: 4 * (expected * (1 - Double(fraction))).squareRoot())
    }
  }

  func testDitheringFollowsItsDefinition() {
    let numbers = Self.numbers
    for (step, index) in [(1, 0), (7, 5), (1 << 32 + 3, 2047), (12, 1 << 33 + 1000)] {
      let expected = numbers.enumerated().map { offset, number in
        UInt16(HalfOracle.dithered(number, step: step, index: index + offset).bitPattern >> 16)
      }
      forEachVariant { name, stores in
        var found = [UInt16](repeating: 0, count: numbers.count)
        stores.store_dithered_bfloat16(numbers, &found, numbers.count, UInt64(step), UInt64(index))
        XCTAssertEqual(found, expected, "\(name), step \(step), from \(index) on")
        // Without numbers near the end of the range, and in pieces.
        let ordinary = numbers.prefix(3000).map { $0 }
        var pieces = [UInt16](repeating: 0, count: 3000)
        var start = 0
        for count in [1, 7, 8, 63, 64, 1025, 1832] {
          ordinary.withUnsafeBufferPointer { from in
            pieces.withUnsafeMutableBufferPointer {
              stores.store_dithered_bfloat16(
                from.baseAddress! + start, $0.baseAddress! + start, count, UInt64(step), UInt64(index + start))
            }
          }
          start += count
        }
        XCTAssertEqual(pieces, Array(expected.prefix(3000)), "\(name), in pieces, step \(step), from \(index) on")
      }
    }
  }

  /// Over any number of steps in a row, and over the elements of a tile.
  func testThresholdsOfDitheringAreSpreadEvenly() {
    forEachVariant { name, stores in
      for fraction in [0.07, 0.25, 0.5, 0.613, 0.99] as [Float] {
        let numbers = [Float](repeating: -1 - fraction * 0x1p-7, count: 2048)
        var away = [Int](repeating: 0, count: 2048)
        for step in 1...60 {
          var found = [UInt16](repeating: 0, count: 2048)
          stores.store_dithered_bfloat16(numbers, &found, 2048, UInt64(step), 0)
          XCTAssertTrue(found.allSatisfy { $0 == 0xbf80 || $0 == 0xbf81 })
          for (index, bits) in found.enumerated() where bits == 0xbf81 { away[index] += 1 }
          XCTAssertEqual(Float(found.count { $0 == 0xbf81 }), 2048 * fraction, accuracy: 1.5, name)
        }
        for count in away { XCTAssertEqual(Float(count), 60 * fraction, accuracy: 2.5, "\(name), \(fraction)") }
      }
    }
  }

  func testKeysDifferByNameAndSeed() {
    var keys: Set<UInt64> = []
    for seed in 0..<50 as Range<UInt64> {
      for name in ["", "a", "b", "layer.1.weight", "layer.2.weight"] {
        keys.insert(Rounding.key(seed: seed, tensor: name))
      }
    }
    XCTAssertEqual(keys.count, 250)
    // Part of what states depend on: other keys would be other bits after a resumption.
    XCTAssertEqual(Rounding.key(seed: 1, tensor: "weight"), Rounding.key(seed: 1, tensor: "weight"))
  }
}
