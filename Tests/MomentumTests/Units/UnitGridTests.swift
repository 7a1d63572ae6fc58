import MomentumTestSupport
import XCTest

@testable import Momentum

/// The units of a shape against indices counted axis by axis.
final class UnitGridTests: XCTestCase {
  func testUnitsAreThoseOfTheIndices() throws {
    for shape in UnitCases.shapes {
      for units in UnitCases.units(of: shape) {
        let grid = try UnitGrid(shape, units, tensor: "t")
        let expected = UnitCases.numbers(shape, over: UnitCases.axes(units, shape))
        XCTAssertEqual(grid.count, expected.count)
        if !expected.isEmpty { XCTAssertEqual(grid.unitCount, Set(expected).count, "\(shape) \(units)") }
        for range in [0..<grid.count, grid.count / 3..<grid.count / 3 * 2, grid.count / 2..<grid.count] {
          var observed: [Int] = []
          grid.forEachRun(in: range) { start, count, unit in
            XCTAssertEqual(start, range.lowerBound + observed.count)
            for i in 0..<count { observed.append(grid.crossesUnits ? unit + i : unit) }
          }
          XCTAssertEqual(observed, Array(expected[range]), "\(shape) \(units) \(range)")
        }
      }
    }
  }

  func testJobsCoverEveryElementOnceAndNameItsUnit() throws {
    let large: [([Int], TensorUnits)] = [
      ([3, 200_000], .firstAxis), ([200_000, 3], .firstAxis), ([3, 200_000], .optax), ([200_000, 3], .optax),
      ([300, 700], .optax), ([40, 9, 2500], .axes([1])), ([40, 9, 2500], .axes([0, 2])), ([5, 120, 1000], .axes([0])),
      ([700_000], .tensor), ([30, 40, 20, 25], .axes([0, 2])), ([30, 40, 20, 25], .axes([1, 3])),
    ]
    for (shape, units) in large + UnitCases.shapes.map({ ($0, TensorUnits.optax) }) {
      let grid = try UnitGrid(shape, units, tensor: "t")
      var seen = Array(repeating: 0, count: grid.count)
      for job in grid.jobs() {
        var owned = Set<Int>()
        job.forEachUnitRun(grid) { owned.formUnion($0) }
        XCTAssertEqual(owned.count, job.sumCount, "\(shape) \(units)")
        for run in job.runs {
          for column in job.columns {
            let element = run * grid.runCount + column
            seen[element] += 1
            if column == job.columns.lowerBound || column == job.columns.upperBound - 1 {
              grid.forEachRun(in: element..<element + 1) { _, _, unit in
                XCTAssertTrue(owned.contains(unit), "\(shape) \(units): element \(element)")
              }
            }
          }
        }
      }
      XCTAssertTrue(seen.allSatisfy { $0 == 1 }, "\(shape) \(units)")
    }
  }

  func testAxesThatAreNotThereAreRefused() {
    func expect(_ text: String, _ shape: [Int], _ units: TensorUnits) {
      XCTAssertThrowsError(try UnitGrid(shape, units, tensor: "w")) { XCTAssertEqual("\($0)", text) }
    }
    expect(
      "units of tensor 'w' is axes [2] of the shape [3, 4]; expected axes in -2..<2, each at most once", [3, 4],
      .axes([2]))
    expect(
      "units of tensor 'w' is axes [-3] of the shape [3, 4]; expected axes in -2..<2, each at most once", [3, 4],
      .axes([-3]))
    expect(
      "units of tensor 'w' is axes [1, -1] of the shape [3, 4]; expected axes in -2..<2, each at most once", [3, 4],
      .axes([1, -1]))
    expect(
      "units of tensor 'w' is axes [0] of the shape []; expected no axes of a single number", [], .axes([0]))
    expect(
      "units of tensor 'w' is optax for the shape [2, 2, 2, 2, 2, 2]; expected at most 5 axes, or the axes themselves",
      [2, 2, 2, 2, 2, 2], .optax)
    XCTAssertNoThrow(try UnitGrid([1, 1, 1, 1, 1, 8], .optax, tensor: "w"), "one long axis is a vector")
  }
}
