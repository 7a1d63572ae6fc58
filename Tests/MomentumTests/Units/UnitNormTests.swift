import MomentumTestSupport
import XCTest

@testable import Momentum

/// Unit norms against sums in a wider type, element by element.
final class UnitNormTests: XCTestCase {
  func testNormsAgreeWithTheDefinitionFloat() throws { try normsAgree(Float.self, Double.self) }
  func testNormsAgreeWithTheDefinitionDouble() throws { try normsAgree(Double.self, Widest.self) }
  func testEveryRangeFloat() throws { try everyRange(Float.self, Double.self) }
  func testEveryRangeDouble() throws { try everyRange(Double.self, Widest.self) }
  func testNonFiniteElementsStayInTheirUnitFloat() throws { try nonFinite(Float.self) }
  func testNonFiniteElementsStayInTheirUnitDouble() throws { try nonFinite(Double.self) }
  func testCombinationsFloat() throws { try combinations(Float.self, Double.self) }
  func testCombinationsDouble() throws { try combinations(Double.self, Widest.self) }
  func testThreadsDoNotChangeABitFloat() throws { try threads(Float.self) }
  func testThreadsDoNotChangeABitDouble() throws { try threads(Double.self) }

  /// What the documentation promises of the relative error.
  private func bound<S: BLASScalar>(_: S.Type) -> Double { S.self == Float.self ? 2e-7 : 1e-14 }

  private func measure<S: BLASScalar>(
    _ x: [S], _ shape: [Int], _ units: TensorUnits, threads: Int = 1, parameters: [S]? = nil,
    _ change: (inout UnitSource<S>) -> Void = { _ in }
  ) throws -> [ScaledDouble] {
    let norms = try UnitNorms<S>(try UnitGrid(shape, units, tensor: "t"))
    let memory = GuardedMemory(x, shift: 3)
    let other = GuardedMemory(parameters ?? [], shift: 5)
    for buffer in [memory, other] { buffer.forbidWriting() }
    var results = Array(repeating: ScaledDouble(.nan), count: norms.grid.unitCount)
    results.withUnsafeMutableBufferPointer { results in
      var source = UnitSource(memory.readOnlyBuffer.baseAddress!)
      if parameters != nil { source.parameters = other.readOnlyBuffer.baseAddress }
      change(&source)
      ThreadTeam.withWorthwhileCount(1) {
        norms.measure(source, into: results, ThreadTeam(threads, elements: max(x.count, 1)))
      }
    }
    return results
  }

  /// The elements of every unit.
  private func split<W>(_ x: [W], _ shape: [Int], _ units: TensorUnits) -> [[W]] {
    let numbers = UnitCases.numbers(shape, over: UnitCases.axes(units, shape))
    var parts = Array(repeating: [W](), count: (numbers.max() ?? 0) + 1)
    for (value, unit) in zip(x, numbers) { parts[unit].append(value) }
    return parts
  }

  private func check<S: BLASScalar, Wide: WideFloat>(
    _ x: [Wide], _ found: [ScaledDouble], _ shape: [Int], _ units: TensorUnits, _: S.Type, line: UInt = #line
  ) {
    // One assertion for all units: there are up to 30 000 of them.
    var worst = (error: 0.0, unit: 0)
    for (unit, elements) in split(x, shape, units).enumerated() {
      let expected = ReferenceNorm.norm(elements, order: 2)
      // Float80 holds what exceeds Double.
      let observed =
        Wide(found[unit].significand)
        * (expected == 0 ? 1 : Wide(sign: .plus, exponent: Wide.Exponent(found[unit].exponent), significand: 1))
      let error = Double(expected == 0 ? observed.magnitude : ((observed - expected) / expected).magnitude)
      if !(error <= worst.error) { worst = (error, unit) }
    }
    XCTAssertLessThanOrEqual(worst.error, bound(S.self), "\(shape) \(units) unit \(worst.unit)", line: line)
  }

  private func normsAgree<S: BLASScalar, Wide: WideFloat>(_: S.Type, _: Wide.Type) throws {
    var random = SeededGenerator(seed: 301)
    for shape in UnitCases.shapes + [[3, 10_000], [10_000, 3], [40, 9, 50]] {
      let x: [S] = random.numbers(shape.reduce(1, *))
      for units in UnitCases.units(of: shape) {
        check(x.map { Wide($0) }, try measure(x, shape, units), shape, units, S.self)
      }
    }
  }

  /// Equal elements make every addition round the same way.
  func testEqualElementsAreNotTheWorstCase() throws {
    var random = SeededGenerator(seed: 302)
    for count in [31, 33, 127, 128, 160, 255, 256, 1000, 2047, 2048, 100_000] {
      for _ in 0..<200 / (count / 1000 + 1) {
        let value = Float(1 + random.uniform().magnitude)
        let x = Array(repeating: value, count: count)
        let found = try measure(x, [count], .tensor)[0].double
        let expected = Double(value) * Double(count).squareRoot()
        XCTAssertLessThanOrEqual((found / expected - 1).magnitude, 2e-7, "\(count) times \(value)")
        let columns = try measure(x + x, [count, 2], .optax)
        XCTAssertLessThanOrEqual((columns[1].double / expected - 1).magnitude, 2e-7)
      }
    }
  }

  /// One large element, then many whose squares are each below half a unit of the sum's last place.
  func testLongSumsKeepWhatEachAdditionRoundsOff() throws {
    let count = 300_000
    let exact = (1 + Double(count - 1) * 0x1p-54).squareRoot()
    for columns in [1, 2] {
      var x = Array(repeating: 0x1p-27, count: count * columns)
      for column in 0..<columns { x[column] = 1 }
      for norm in try measure(x, [count, columns], .axes([0])) {
        XCTAssertEqual(norm.double, exact, accuracy: 1e-14, "\(columns) columns")
      }
    }
  }

  private func everyRange<S: BLASScalar, Wide: WideFloat>(_: S.Type, _: Wide.Type) throws {
    var random = SeededGenerator(seed: 303)
    let (low, high) = (S.leastNonzeroMagnitude.exponent, S.greatestFiniteMagnitude.exponent)
    for shape in [[5, 40], [40, 5], [3, 4, 50], [200]] {
      let count = shape.reduce(1, *)
      for units in UnitCases.units(of: shape) {
        for exponents in [
          high - 1...high, low...low + 3, low...high, high / 2 - 2...high / 2 + 2, low / 2 - 3...low / 2,
        ] {
          var x: [S] = random.numbers(count, exponents: Int(exponents.lowerBound)...Int(exponents.upperBound))
          for i in stride(from: 0, to: count, by: 7) { x[i] = 0 }
          check(x.map { Wide($0) }, try measure(x, shape, units), shape, units, S.self)
        }
        let zeros = try measure(Array(repeating: S(-0.0), count: count), shape, units)
        XCTAssertTrue(zeros.allSatisfy { $0 == ScaledDouble(0) })
      }
    }
  }

  private func nonFinite<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 304)
    for shape in [[6, 50], [50, 6], [3, 40, 5], [4000, 3], [3, 4000]] {
      let count = shape.reduce(1, *)
      for units in UnitCases.units(of: shape) {
        let x: [S] = random.numbers(count)
        let before = try measure(x, shape, units)
        let numbers = UnitCases.numbers(shape, over: UnitCases.axes(units, shape))
        for values in [[S.nan], [.infinity], [-.infinity], [.infinity, .nan], [-.infinity, .infinity]] {
          var changed = x
          let place = Int.random(in: 0..<count, using: &random)
          let unit = numbers[place]
          let places = numbers.indices.filter { numbers[$0] == unit }.shuffled(using: &random).prefix(values.count)
          for (place, value) in zip(places, values) { changed[place] = value }
          let found = try measure(changed, shape, units)
          for other in found.indices where other != unit { XCTAssertEqual(found[other], before[other]) }
          if places.count == values.count, values.contains(where: \.isNaN) {
            XCTAssertTrue(found[unit].significand.isNaN, "\(shape) \(units) \(values)")
          } else {
            XCTAssertEqual(found[unit].significand, .infinity, "\(shape) \(units) \(values)")
          }
          // Cleared, such an element counts as 0.
          for place in places { changed[place] = 0 }
          let cleared = try measure(changed, shape, units)
          for (place, value) in zip(places, values) { changed[place] = value }
          XCTAssertEqual(try measure(changed, shape, units) { $0.clearsNonFinite = true }, cleared)
        }
      }
    }
  }

  private func combinations<S: BLASScalar, Wide: WideFloat>(_: S.Type, _: Wide.Type) throws {
    var random = SeededGenerator(seed: 305)
    for shape in [[5, 40], [40, 5], [3, 4, 50], [1300, 7], [7, 1300]] {
      let count = shape.reduce(1, *)
      for units in UnitCases.units(of: shape) {
        let (g, p): ([S], [S]) = (random.numbers(count), random.numbers(count))
        for (factor, decay) in [(1.0, 0.25), (0.125, 2), (-3, 0.5), (0, 1)] {
          // Powers of two and their neighbours: the reference adds without rounding much.
          let expected = zip(g, p).map { Wide(factor) * Wide($0) + Wide(decay) * Wide($1) }
          let found = try measure(g, shape, units, parameters: p) {
            ($0.factor, $0.decay) = (ScaledDouble(factor), decay)
          }
          check(expected, found, shape, units, S.self)
        }
        // Without decay the factor is applied to the norm, whatever its size.
        let plain = try measure(g, shape, units)
        let scaled = try measure(g, shape, units, parameters: p) { $0.factor = ScaledDouble(-3, exponent: 5000) }
        XCTAssertEqual(scaled, plain.map { $0 * ScaledDouble(3, exponent: 5000) })
        // Bounds come first.
        let clamped = g.map { min(max($0, -0.5), 0.25) }
        XCTAssertEqual(
          try measure(g, shape, units) { $0.bounds = ValueBounds(lower: -0.5, upper: 0.25) },
          try measure(clamped, shape, units))
      }
    }
  }

  func testCombinationsOfExtremeNumbers() throws {
    // Sums that overflow in Double, cancel, or vanish.
    let huge = Double.greatestFiniteMagnitude
    var found = try measure([huge, huge, 1, 0], [4], .axes([]), parameters: [huge, -huge, 1, 0]) { $0.decay = 1 }
    XCTAssertEqual(found[0], ScaledDouble(huge) * 2)
    XCTAssertEqual(found[1], ScaledDouble(0))
    XCTAssertEqual(found[2], ScaledDouble(2))
    XCTAssertEqual(found[3], ScaledDouble(0))
    found = try measure([huge, 0x1p-1074], [2], .axes([]), parameters: [-huge / 2, 0x1p-1074]) {
      ($0.factor, $0.decay) = (ScaledDouble(4), 8)
    }
    XCTAssertEqual(found[0], ScaledDouble(0), "two infinities of opposite sign in Double")
    XCTAssertEqual(found[1], ScaledDouble(12, exponent: -1074))
    found = try measure([3.0, 4], [2], .tensor, parameters: [1, 1]) {
      ($0.factor, $0.decay) = (ScaledDouble(1, exponent: 3000), 1)
    }
    XCTAssertEqual(found[0], ScaledDouble(5, exponent: 3000))
    found = try measure([3.0, .infinity], [2], .axes([]), parameters: [.nan, 1]) { $0.decay = 1 }
    XCTAssertTrue(found[0].significand.isNaN)
    XCTAssertEqual(found[1].significand, .infinity)
  }

  private func threads<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 306)
    for (shape, units) in [
      ([100, 700], TensorUnits.firstAxis), ([100, 700], .optax), ([2, 30_000], .optax), ([30_000, 2], .optax),
      ([2, 30_000], .firstAxis), ([15, 40, 10, 12], .axes([0, 2])), ([60_000], .tensor),
    ] {
      let x: [S] = random.numbers(shape.reduce(1, *), exponents: -30...30)
      let p: [S] = random.numbers(x.count)
      let one = try measure(x, shape, units)
      let combined = try measure(x, shape, units, parameters: p) { $0.decay = 0.1 }
      for threads in [2, 3, 7, 16] {
        XCTAssertEqual(try measure(x, shape, units, threads: threads), one, "\(shape) \(units) \(threads)")
        let again = try measure(x, shape, units, threads: threads, parameters: p) { $0.decay = 0.1 }
        XCTAssertEqual(again, combined, "\(shape) \(units) \(threads)")
      }
    }
  }
}
