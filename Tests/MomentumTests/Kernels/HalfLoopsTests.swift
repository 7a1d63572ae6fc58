import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// The conversions of half precision, each variant that this processor runs against the definition. All 2³² patterns are
/// compared by Scripts/test-half.sh.
final class HalfLoopsTests: XCTestCase {
  private typealias Widen = (UnsafePointer<UInt16>?, UnsafeMutablePointer<Float>?, Int) -> Void
  private typealias Narrow = (UnsafePointer<Float>?, UnsafeMutablePointer<UInt16>?, Int) -> Void

  private static let types = [ElementType.bfloat16, .float16]

  /// Every variant, and what the engine calls.
  private func forEachVariant(_ body: (_ name: String, _ type: ElementType, Widen, Narrow) -> Void) {
    var position: Int32 = 0
    while let loops = momentum_half_loops_variant(position)?.pointee {
      let name = String(cString: loops.name)
      body(name, .bfloat16, loops.widen_bfloat16, loops.narrow_bfloat16)
      body(name, .float16, loops.widen_float16, loops.narrow_float16)
      position += 1
    }
    XCTAssertGreaterThan(position, 0)
    XCTAssertNil(momentum_half_loops_variant(-1))
    body("chosen", .bfloat16, momentum_widen_bfloat16, momentum_narrow_bfloat16)
    body("chosen", .float16, momentum_widen_float16, momentum_narrow_float16)
  }

  func testWideningIsExactForAllPatterns() {
    let patterns = (0...UInt16.max).map { $0 }
    for type in Self.types {
      let expected = patterns.map { HalfOracle.value($0, type) }
      forEachVariant { name, loopType, widen, narrow in
        guard loopType == type else { return }
        var wide = [Float](repeating: 42, count: patterns.count)
        widen(patterns, &wide, patterns.count)
        var back = [UInt16](repeating: 42, count: patterns.count)
        narrow(wide, &back, patterns.count)
        for (index, bits) in patterns.enumerated() {
          let what = "\(name), \(type), \(String(bits, radix: 16))"
          if expected[index].isNaN {
            // The payload survives both ways; what was signalling becomes quiet at the latest when it is narrowed.
            XCTAssertTrue(wide[index].isNaN, what)
            XCTAssertEqual(back[index], bits | (type == .bfloat16 ? 0x40 : 0x200), what)
          } else {
            if Double(wide[index]) != expected[index] || wide[index].sign != expected[index].sign {
              XCTFail("\(what): \(wide[index]) instead of \(expected[index])")
            }
            if back[index] != bits { XCTFail("\(what): narrowed to \(back[index])") }
          }
        }
      }
    }
  }

  /// Around every number, every tie and every power of two of both types, and NaNs with payloads.
  func testNarrowingIsToNearestEven() {
    for type in Self.types {
      var numbers: [Float] = []
      for bits in stride(from: UInt16(0), through: type == .bfloat16 ? 0x7f7f : 0x7bff, by: 1) {
        let (number, next) = (HalfOracle.value(bits, type), HalfOracle.value(bits + 1, type))
        let tie = Float(next.isInfinite ? number * (1 + 0x1p-20) : (number + next) / 2)
        numbers += [Float(number), tie.nextDown, tie, tie.nextUp].map { bits % 3 == 0 ? -$0 : $0 }
      }
      let largest = Float(HalfOracle.value(type == .bfloat16 ? 0x7f7f : 0x7bff, type))
      let overflow: Float = type == .bfloat16 ? Float(bitPattern: 0x7f7f_8000) : 65520
      numbers += [
        largest, overflow, overflow.nextDown, overflow.nextUp, .infinity, .greatestFiniteMagnitude,
        .leastNonzeroMagnitude, 0,
      ].flatMap { [$0, -$0] }
      for payload in [1, 0x1000, 0x2000, 0x8000, 0x1_0000, 0x20_0000, 0x3f_ffff, 0x40_0000, 0x7f_ffff] as [UInt32] {
        numbers += [Float(bitPattern: 0x7f80_0000 | payload), Float(bitPattern: 0xff80_0000 | payload)]
      }
      // The whole range, in steps that share no factor with any boundary.
      for bits in stride(from: UInt32(0), to: .max - 40_009, by: 40_009) { numbers.append(Float(bitPattern: bits)) }
      let expected = numbers.map { HalfOracle.bits($0, type) }
      forEachVariant { name, loopType, _, narrow in
        guard loopType == type else { return }
        var found = [UInt16](repeating: 42, count: numbers.count)
        narrow(numbers, &found, numbers.count)
        guard found != expected else { return }
        for (index, number) in numbers.enumerated() where found[index] != expected[index] {
          XCTFail(
            "\(name), \(type), \(number) (\(String(number.bitPattern, radix: 16))): \(found[index]), not \(expected[index])"
          )
          return
        }
      }
    }
  }

  /// Every length around the widths of vectors, at every place in memory.
  func testLengthsAndPlaces() {
    forEachVariant { name, type, widen, narrow in
      for count in Array(0...70) + [1023, 1024, 1031] {
        let shift = count % 7
        let bits = (0..<shift + count + 1).map { UInt16(0x3a00 + 37 * $0 % 0x400) }
        var wide = [Float](repeating: 42, count: bits.count)
        bits.withUnsafeBufferPointer { from in
          wide.withUnsafeMutableBufferPointer { widen(from.baseAddress! + shift, $0.baseAddress! + shift, count) }
        }
        var back = [UInt16](repeating: 42, count: bits.count)
        wide.withUnsafeBufferPointer { from in
          back.withUnsafeMutableBufferPointer { narrow(from.baseAddress! + shift, $0.baseAddress! + shift, count) }
        }
        for index in bits.indices {
          let isInside = index >= shift && index < shift + count
          let (number, pattern) = isInside ? (Float(HalfOracle.value(bits[index], type)), bits[index]) : (42, 42)
          XCTAssertEqual(wide[index], number, "\(name), \(type), \(count) elements, at \(index)")
          XCTAssertEqual(back[index], pattern, "\(name), \(type), \(count) elements, at \(index)")
        }
      }
    }
  }

  func testSumsOfSquaresAreThoseOfWidenedElements() {
    var random = SeededGenerator(seed: 169)
    let bits = (0..<2100).map { _ in UInt16(truncatingIfNeeded: random.next()) & 0xbbff }
    var position: Int32 = 0
    while let loops = momentum_half_loops_variant(position)?.pointee {
      position += 1
      for (type, squares, widen) in [
        (ElementType.bfloat16, loops.squares_bfloat16, loops.widen_bfloat16),
        (.float16, loops.squares_float16, loops.widen_float16),
      ] {
        var wide = [Float](repeating: 0, count: bits.count)
        widen?(bits, &wide, bits.count)
        for count in Array(0...100) + [2047, 2048] {
          let shift = count % 9
          let expected = wide.withUnsafeBufferPointer {
            Float._wideSquares($0.baseAddress! + shift, count)
          }
          let found = bits.withUnsafeBufferPointer { squares?($0.baseAddress! + shift, count) }
          XCTAssertEqual(found, expected, "\(String(cString: loops.name)), \(type), \(count) elements")
        }
      }
    }
  }
}
