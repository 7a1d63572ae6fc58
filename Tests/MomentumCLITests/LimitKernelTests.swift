import CMomentumLimit
import XCTest

@testable import MomentumCLI

/// Every hand-fused kernel that this processor runs against a plain loop in Double, on lengths around the widths of vectors
/// and starting off their alignment.
final class LimitKernelTests: XCTestCase {
  func testTheBestKernelIsAvailableAndThePortableOneAlways() {
    XCTAssertTrue(LimitKernel.available.contains(.best))
    XCTAssertEqual(LimitKernel.available.first?.name, "portable")
    XCTAssertEqual(Set(LimitKernel.available.map(\.name)).count, LimitKernel.available.count)
  }

  func testSquares() {
    check(Float.self, squares)
    check(Double.self, squares)
  }

  func testScale() {
    check(Float.self, scale)
    check(Double.self, scale)
  }

  func testUpdate() {
    check(Float.self, update)
    check(Double.self, update)
  }

  func testAdamW() {
    check(Float.self, adamW)
    check(Double.self, adamW)
  }

  // MARK: -

  private func check<S: LimitScalar>(_: S.Type, _ body: (LimitKernel, Vectors<S>) -> Void) {
    for kernel in LimitKernel.available {
      for count in Array(0...70) + [127, 128, 129, 4095, 4096, 4097, 10_000] { body(kernel, Vectors(count)) }
    }
  }

  private func squares<S: LimitScalar>(_ kernel: LimitKernel, _ x: Vectors<S>) {
    let wide = x.gradients.map(Double.init)
    let clamped = wide.map { min(max($0, -0.25), 0.5) }
    x.withPointers { g, _, _ in
      for (sum, values) in [
        (S.limitSquares(kernel.path, g, x.count), wide),
        (S.limitSquares(kernel.path, g, x.count, clampedTo: -0.25...0.5), clamped),
      ] {
        let expected = values.reduce(0) { $0 + $1 * $1 }
        // One rounding for each of at most 4096 additions in a row, were they all in one lane.
        let error = abs(sum - expected)
        XCTAssertLessThanOrEqual(error, 512 * Double(S.ulpOfOne) * expected, "\(kernel.name) \(x.count)")
      }
    }
  }

  private func scale<S: LimitScalar>(_ kernel: LimitKernel, _ x: Vectors<S>) {
    let expected = x.gradients.map { $0 * S(0.7) }
    let result = x.changing { g, _, _ in S.limitScale(kernel.path, 0.7, g, x.count) }
    XCTAssertEqual(result.gradients, expected, "\(kernel.name) \(x.count)")
  }

  private func update<S: LimitScalar>(_ kernel: LimitKernel, _ x: Vectors<S>) {
    let squares = x.gradients.reduce(0) { $0 + Double($1) * Double($1) }
    for flags in 0..<32 {
      let (velocity, nesterov, decays, clamps) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 8 != 0)
      let sums = flags & 16 != 0
      // What has no velocity has nothing to look ahead along.
      if nesterov, !velocity { continue }
      let settings = momentum_limit_update(
        gradient_factor: 0.75, momentum: 0.875, learning_rate: 0.0625, decay: 0.125, lower: -0.25, upper: 0.5,
        uses_velocity: velocity, nesterov: nesterov, decays: decays, clamps: clamps, sums: sums)
      var sum = 0.0
      let result = x.changing { g, v, p in
        sum = S.limitUpdate(kernel.path, settings, g, velocity ? v : nil, p, x.count)
      }
      XCTAssertEqual(
        sum, sums ? squares : 0, accuracy: sums ? 512 * Double(S.ulpOfOne) * squares : 0, "\(kernel.name) \(x.count)")
      XCTAssertEqual(result.gradients, x.gradients)
      if !velocity { XCTAssertEqual(result.velocity, x.velocity) }
      for i in 0..<x.count {
        let (g, p) = (Double(x.gradients[i]), Double(x.parameters[i]))
        let entering = 0.75 * (clamps ? min(max(g, -0.25), 0.5) : g) + (decays ? 0.125 * p : 0)
        let v = velocity ? 0.875 * Double(x.velocity[i]) + entering : entering
        let moved = nesterov ? entering + 0.875 * v : v
        // All numbers are below 4, and there are four roundings.
        let tolerance = 8 * Double(S.ulpOfOne)
        let label = "\(kernel.name), flags \(flags), element \(i) of \(x.count)"
        XCTAssertEqual(Double(result.parameters[i]), p - 0.0625 * moved, accuracy: tolerance, label)
        if velocity { XCTAssertEqual(Double(result.velocity[i]), v, accuracy: tolerance, label) }
      }
    }
  }
}

extension LimitKernelTests {
  fileprivate func adamW<S: LimitScalar>(_ kernel: LimitKernel, _ x: Vectors<S>) {
    let moments = momentum_limit_moments(beta1: 0.875, beta2: 0.75, rate: 0.0625, epsilon: 0.125, keep: 0.5)
    // Second moments are not negative.
    let start = x.parameters.map { $0 * $0 }
    var squares = [S(12345)] + start + [S(12345)]
    let result = x.changing { g, m, p in
      squares.withUnsafeMutableBufferPointer {
        S.limitAdamW(kernel.path, moments, g, m, $0.baseAddress! + 1, p, x.count)
      }
    }
    XCTAssertEqual([squares.first, squares.last], [12345, 12345])
    XCTAssertEqual(result.gradients, x.gradients)
    for i in 0..<x.count {
      let (g, p) = (Double(x.gradients[i]), Double(x.parameters[i]))
      let m = 0.875 * Double(x.velocity[i]) + 0.125 * g
      let s = 0.75 * Double(start[i]) + 0.25 * g * g
      // All numbers are below 8, and there are eight roundings at most.
      let tolerance = 32 * Double(S.ulpOfOne)
      let label = "\(kernel.name), element \(i) of \(x.count)"
      XCTAssertEqual(Double(result.velocity[i]), m, accuracy: tolerance, label)
      XCTAssertEqual(Double(squares[i + 1]), s, accuracy: tolerance, label)
      XCTAssertEqual(
        Double(result.parameters[i]), 0.5 * p - 0.0625 * m / (s.squareRoot() + 0.125), accuracy: tolerance, label)
    }
  }
}

/// Three vectors; what is called with pointers to them gets copies that start one element off a vector's alignment.
private struct Vectors<S: LimitScalar> {
  var gradients, velocity, parameters: [S]
  var count: Int { gradients.count }

  init(_ count: Int) {
    gradients = (0..<count).map { BenchMemory<S>.gradient($0) }
    velocity = (0..<count).map { BenchMemory<S>.gradient($0 + 1_000_000) }
    parameters = (0..<count).map { BenchMemory<S>.parameter($0) }
  }

  typealias Pointer = UnsafeMutablePointer<S>

  func withPointers(_ body: (Pointer, Pointer, Pointer) -> Void) { _ = changing(body) }

  func changing(_ body: (Pointer, Pointer, Pointer) -> Void) -> Vectors {
    var result = self
    let guardValue = S(12345)
    func guarded(_ elements: [S]) -> [S] { [guardValue] + elements + [guardValue] }
    var (g, v, p) = (guarded(gradients), guarded(velocity), guarded(parameters))
    g.withUnsafeMutableBufferPointer { g in
      v.withUnsafeMutableBufferPointer { v in
        p.withUnsafeMutableBufferPointer { p in
          body(g.baseAddress! + 1, v.baseAddress! + 1, p.baseAddress! + 1)
        }
      }
    }
    let arrays = [g, v, p]
    for array in arrays {
      XCTAssertEqual(array.first, guardValue, "written before the start")
      XCTAssertEqual(array.last, guardValue, "written behind the end")
    }
    let inner = arrays.map { Array($0.dropFirst().dropLast()) }
    (result.gradients, result.velocity, result.parameters) = (inner[0], inner[1], inner[2])
    return result
  }
}
