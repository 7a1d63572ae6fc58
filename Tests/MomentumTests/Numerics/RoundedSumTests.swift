import MomentumTestSupport
import XCTest

@testable import Momentum

/// Sums in `Double` against exact ones.
final class RoundedSumTests: XCTestCase {
  private func sums(_ numbers: [Double]) -> (rounded: Double?, exact: ScaledDouble) {
    var (rounded, exact) = (RoundedSum(), ExactSum())
    for number in numbers {
      rounded.add(number)
      exact.add(number)
    }
    return (rounded.value, exact.rounded())
  }

  /// Numbers of one size, of many, of few digits, and such that the sum comes to lie near the middle between two numbers.
  func testItIsTheExactSumRounded() {
    var random = SeededGenerator(seed: 2031)
    var (known, all) = (0, 0)
    for trial in 0..<40_000 {
      let count = Int.random(in: 1...(trial % 10 == 0 ? RoundedSum.most - 2 : 8), using: &random)
      let range = [0, 1, 30, 60, 200][trial % 5]
      var numbers = (0..<count).map { _ in
        let number = Double(
          sign: .plus, exponent: Int.random(in: -range...range, using: &random),
          significand: Double.random(in: 1..<2, using: &random))
        return trial % 3 == 0 && range <= 60 ? Double(Float(number)) : number
      }
      if trial % 4 == 1 {
        // Half a unit of the last place, and next to nothing.
        let unit = numbers.reduce(0, +).ulp
        numbers += [unit / 2, Bool.random(using: &random) ? unit * 0x1p-30 : 0]
      }
      let (rounded, exact) = sums(numbers)
      if let rounded { XCTAssertEqual(ScaledDouble(rounded), exact, "trial \(trial)") }
      guard trial % 4 != 1 else { continue }
      (known, all) = (known + (rounded == nil ? 0 : 1), all + 1)
    }
    XCTAssertGreaterThan(Double(known), 0.99 * Double(all))
  }

  func testWhatTakesMoreDigitsIsLeftOpen() {
    let ulp = Double.ulpOfOne
    for (numbers, expected) in [
      ([1, ulp / 2], 1), ([1, ulp / 2, ulp * 0x1p-60], nil), ([1 + ulp, ulp / 2], 1 + 2 * ulp),
      ([1 + ulp, ulp / 4], 1 + ulp), ([1.5, ulp * 0.49, ulp * 0.49], 1.5 + ulp), ([1, ulp / 4], 1),
      ([1 - ulp / 2, ulp / 3], 1), ([0], 0), ([], 0), ([.leastNonzeroMagnitude], .leastNonzeroMagnitude),
      ([.greatestFiniteMagnitude, .greatestFiniteMagnitude], nil), ([1, .infinity], nil), ([3, 0, 0], 3),
      // Half a unit more than the largest number.
      ([.greatestFiniteMagnitude, 0x1p970], nil), ([.greatestFiniteMagnitude, 0x1p969], .greatestFiniteMagnitude),
      ([Double.leastNormalMagnitude, 0], .leastNormalMagnitude), ([0x1p-960, 0x1p-1040], 0x1p-960),
    ] as [([Double], Double?)] {
      XCTAssertEqual(sums(numbers).rounded, expected, "\(numbers)")
    }
  }
}
