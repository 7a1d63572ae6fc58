import MomentumTestSupport
import XCTest

@testable import Momentum

/// Elements times the factors of their units.
final class UnitFactorTests: XCTestCase {
  func testFloat() throws { try multiplies(Float.self) }
  func testDouble() throws { try multiplies(Double.self) }

  private func multiplies<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 311)
    for shape in UnitCases.shapes where !shape.contains(0) {
      for units in UnitCases.units(of: shape) {
        let factors = try UnitFactors<S>(try UnitGrid(shape, units, tensor: "t"))
        let numbers = UnitCases.numbers(shape, over: UnitCases.axes(units, shape))
        let x: [S] = random.numbers(numbers.count)
        XCTAssertTrue(factors.changesNothing)
        let values: [S] = random.numbers(factors.grid.unitCount, exponents: -20...20)
        for (unit, value) in values.enumerated() { factors.set(unit, to: ScaledDouble(Double(value))) }
        XCTAssertFalse(factors.changesNothing)
        let range = numbers.count / 3..<numbers.count
        var y = x
        y.withUnsafeMutableBufferPointer { y in
          let part = y.baseAddress! + range.lowerBound
          factors.multiply(UnsafePointer(part), at: range.lowerBound, into: part, range.count)
        }
        assertSameBits(
          x.indices.map { range.contains($0) ? x[$0] * values[numbers[$0]] : x[$0] }, y, "\(shape) \(units)")
        factors.reset()
        XCTAssertTrue(factors.changesNothing)
      }
    }
  }

  func testFactorsBeyondTheType() throws {
    for units in [TensorUnits.firstAxis, .axes([0])] {
      let factors = try UnitFactors<Float>(try UnitGrid([3, 3], units, tensor: "t"))
      factors.set(0, to: ScaledDouble(1.5, exponent: -140))
      factors.set(1, to: ScaledDouble(1.5, exponent: 140))
      factors.set(2, to: ScaledDouble(.nan))
      let x: [Float] = [0x1p120, 0x1p-120, 3, 0x1p120, 0x1p-120, 3, 0x1p120, 0x1p-120, 3]
      var y = Array(repeating: Float(0), count: 9)
      y.withUnsafeMutableBufferPointer { factors.multiply(x, at: 0, into: $0.baseAddress!, 9) }
      for i in 0..<9 {
        let unit = units == .firstAxis ? i / 3 : i % 3
        let exact = Double(x[i]) * [0x1.8p-140, 0x1.8p140, .nan][unit]
        assertClose(exact, y[i], ulps: 1, "\(units) \(i)")
      }
    }
  }

  func testAFactorOfZeroAndInfinityFollowTheStandard() throws {
    let factors = try UnitFactors<Double>(try UnitGrid([2, 3], .firstAxis, tensor: "t"))
    factors.set(0, to: ScaledDouble(0))
    factors.set(1, to: ScaledDouble(.infinity))
    let x: [Double] = [1, .nan, .infinity, 1, .nan, 0]
    var y = x
    y.withUnsafeMutableBufferPointer { factors.multiply(x, at: 0, into: $0.baseAddress!, 6) }
    XCTAssertEqual(y[0], 0)
    XCTAssertEqual(y[3], .infinity)
    for i in [1, 2, 4, 5] { XCTAssertTrue(y[i].isNaN, "\(i)") }
  }
}
