import CMomentumLimit
import Momentum
import XCTest

@testable import MomentumCLI

/// Every hand-fused kernel of half precision that this processor runs, on lengths around the widths of vectors and starting off
/// their alignment, against plain Swift.
final class LimitHalfKernelTests: XCTestCase {
  private let counts = Array(0...35) + [63, 64, 65, 127, 128, 129, 1025]

  func testWidensAndNarrowsAsTheTypesDo() {
    // Every 16-bit number; and floats around them, halfway between two of them, and beyond the largest.
    let halves = Array(UInt16.min...UInt16.max)
    let floats = halves.flatMap { half in
      [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff].map { Float(bitPattern: UInt32(half) << 16 | $0) }
    }
    for kernel in LimitKernel.available {
      var wide = [Float](repeating: 0, count: halves.count)
      momentum_limit_widen(kernel.path, halves, &wide, halves.count, false)
      XCTAssertEqual(wide.map(\.bitPattern), halves.map { UInt32($0) << 16 }, kernel.name)
      #if !(os(macOS) && arch(x86_64))
        momentum_limit_widen(kernel.path, halves, &wide, halves.count, true)
        for half in halves where !Float16(bitPattern: half).isNaN {
          XCTAssertEqual(wide[Int(half)], Float(Float16(bitPattern: half)), kernel.name)
          XCTAssertEqual(wide[Int(half)].sign, Float16(bitPattern: half).sign, kernel.name)
        }
      #endif
      var narrow = [UInt16](repeating: 0, count: floats.count)
      momentum_limit_narrow(kernel.path, floats, &narrow, floats.count)
      XCTAssertEqual(narrow, floats.map { BFloat16($0).bitPattern }, kernel.name)
    }
  }

  func testRoundsAtRandomByTheElementsPlace() {
    let floats = (0..<300).map { BenchMemory<Float>.parameter($0) }
    for kernel in LimitKernel.available {
      func narrowed(_ range: Range<Int>, _ step: UInt64 = 3) -> [UInt16] {
        var narrow = [UInt16](repeating: 0, count: range.count)
        momentum_limit_narrow_at_random(
          kernel.path, Array(floats[range]), &narrow, range.count,
          momentum_limit_random(key: 0x0123_4567_89ab_cdef, step: step, index: UInt64(range.lowerBound)))
        return narrow
      }
      let all = narrowed(0..<300)
      for (place, bits) in all.enumerated() {
        let below = UInt16(floats[place].bitPattern >> 16)
        XCTAssertTrue(bits == below || bits == below + 1, "\(kernel.name) \(place)")
      }
      // Wherever a range starts and ends, an element has its own numbers.
      for start in [1, 7, 63, 64, 65, 127, 128, 200] {
        XCTAssertEqual(narrowed(start..<300), Array(all[start...]), "\(kernel.name) from \(start)")
        XCTAssertEqual(narrowed(0..<start), Array(all[..<start]), "\(kernel.name) to \(start)")
      }
      XCTAssertNotEqual(narrowed(0..<300, 4), all)
    }
  }

  func testSquares() {
    for kernel in LimitKernel.available {
      for count in counts {
        let floats = (0..<count).map { BenchMemory<Float>.gradient($0) }
        let bfloat16 = floats.map(BFloat16.init)
        check(kernel, bfloat16.map(\.bitPattern), false, bfloat16.map { Double(Float($0)) })
        #if !(os(macOS) && arch(x86_64))
          let float16 = floats.map(Float16.init)
          check(kernel, float16.map(\.bitPattern), true, float16.map(Double.init))
        #endif
      }
    }
  }

  private func check(_ kernel: LimitKernel, _ bits: [UInt16], _ isFloat16: Bool, _ values: [Double]) {
    let expected = values.reduce(0) { $0 + $1 * $1 }
    let sum = ([0x4000] + bits).withUnsafeBufferPointer {
      momentum_limit_squares_half(kernel.path, $0.baseAddress! + 1, bits.count, isFloat16)
    }
    XCTAssertEqual(sum, expected, accuracy: 1024 * Double(Float.ulpOfOne) * expected, "\(kernel.name) \(bits.count)")
  }

  /// The step with gradients in half precision is near a plain one in Double. All others are that step, and store the
  /// parameters in their way.
  func testUpdate() {
    let update = momentum_limit_update(
      gradient_factor: 0.75, momentum: 0.875, learning_rate: 0.0625, decay: 0, lower: 0, upper: 0, uses_velocity: true,
      nesterov: false, decays: false, clamps: false, sums: false)
    for kernel in LimitKernel.available {
      for count in counts {
        let label = "\(kernel.name), \(count) elements"
        for storage in StepStorage.available {
          let start = HalfArrays(count, storage)
          // The same parameters as floats, whatever the storage.
          var wide = HalfArrays(count, storage == .float16Gradients ? storage : .bfloat16Gradients)
          wide.parameters = start.values
          let result = start.updated(update, kernel)
          let expected = wide.updated(update, kernel)
          if !storage.hasHalfVelocity { XCTAssertEqual(result.velocity, expected.velocity, label) }
          switch storage {
          case .bfloat16Gradients, .float16Gradients:
            for i in 0..<count {
              let v = 0.875 * Double(start.velocity[i]) + 0.75 * Double(start.gradientValues[i])
              XCTAssertEqual(Double(result.velocity[i]), v, accuracy: 8 * Double(Float.ulpOfOne), label)
              let p = Double(start.parameters[i]) - 0.0625 * v
              XCTAssertEqual(Double(result.parameters[i]), p, accuracy: 8 * Double(Float.ulpOfOne), label)
            }
          case .bfloat16Velocity, .bfloat16All, .velocityRemainders, .allStochastic:
            // One rounding of the velocity it starts from, and the one that is stored.
            for i in 0..<count {
              let v = 0.875 * Double(start.halfVelocityValues[i]) + 0.75 * Double(start.gradientValues[i])
              XCTAssertEqual(
                Double(result.halfVelocityValues[i]), v, accuracy: abs(v) * 0x1p-8 + 0x1p-20, label)
              let p = Double(start.values[i]) - 0.0625 * v
              // At random a number may go to either neighbour.
              let digits = storage == .allStochastic ? 0x1p-7 : storage == .bfloat16All ? 0x1p-8 : 0
              XCTAssertEqual(Double(result.values[i]), p, accuracy: abs(p) * digits + 8 * Double(Float.ulpOfOne), label)
            }
          case .bfloat16Copy:
            XCTAssertEqual(result.parameters, expected.parameters, label)
            XCTAssertEqual(result.half, expected.parameters.map { BFloat16($0).bitPattern }, label)
          case .remainders:
            XCTAssertEqual(result.values, expected.parameters, label)
          case .nearest:
            XCTAssertEqual(result.half, expected.parameters.map { BFloat16($0).bitPattern }, label)
          case .stochastic:
            var narrow = [UInt16](repeating: 0, count: count)
            momentum_limit_narrow_at_random(
              kernel.path, expected.parameters, &narrow, count, HalfArrays.random)
            XCTAssertEqual(result.half, narrow, label)
          }
        }
      }
    }
  }
}

/// The vectors of a step; what is called with pointers to them gets copies that start one element off a vector's alignment.
private struct HalfArrays {
  static let random = momentum_limit_random(key: 5, step: 6, index: 21)

  let storage: StepStorage
  var gradient: [UInt16]
  var velocity, parameters: [Float]
  var half: [UInt16] = []
  var remainder: [Int16] = []
  var halfVelocity: [UInt16] = []

  init(_ count: Int, _ storage: StepStorage) {
    self.storage = storage
    let gradients = (0..<count).map { BenchMemory<Float>.gradient($0) }
    gradient = gradients.map { BFloat16($0).bitPattern }
    #if !(os(macOS) && arch(x86_64))
      if storage == .float16Gradients { gradient = gradients.map { Float16($0).bitPattern } }
    #endif
    velocity = (0..<count).map { BenchMemory<Float>.gradient($0 + 1_000_000) }
    if storage.hasHalfVelocity {
      halfVelocity = velocity.map { BFloat16($0).bitPattern }
      velocity = []
    }
    let values = (0..<count).map { BenchMemory<Float>.parameter($0) }
    parameters = storage.hasWideParameters ? values : []
    if storage == .bfloat16Copy || storage.roundsParameters { half = values.map { BFloat16($0).bitPattern } }
    if storage.isSplit {
      half = values.map { UInt16(($0.bitPattern + 0x8000) >> 16) }
      remainder = values.map { Int16(truncatingIfNeeded: $0.bitPattern) }
    }
  }

  var gradientValues: [Float] {
    #if !(os(macOS) && arch(x86_64))
      if storage == .float16Gradients { return gradient.map { Float(Float16(bitPattern: $0)) } }
    #endif
    return gradient.map { Float(bitPattern: UInt32($0) << 16) }
  }

  var halfVelocityValues: [Float] { halfVelocity.map { Float(bitPattern: UInt32($0) << 16) } }

  /// The parameters, widened.
  var values: [Float] {
    if storage.hasWideParameters { return parameters }
    return half.indices.map {
      Float(bitPattern: UInt32(half[$0]) << 16 &+ UInt32(bitPattern: Int32(remainder.isEmpty ? 0 : remainder[$0])))
    }
  }

  func updated(_ update: momentum_limit_update, _ kernel: LimitKernel) -> HalfArrays {
    var result = self
    let count = gradient.count
    func guarded<T: ExpressibleByIntegerLiteral>(_ elements: [T]) -> [T] { [77] + elements + [77] }
    let gradient = guarded(gradient)
    var (v, p, h, r) = (guarded(velocity), guarded(parameters), guarded(half), guarded(remainder))
    var u = guarded(halfVelocity)
    func address<T>(_ buffer: UnsafeMutableBufferPointer<T>) -> UnsafeMutablePointer<T>? {
      buffer.count > 2 || count == 0 ? buffer.baseAddress! + 1 : nil
    }
    gradient.withUnsafeBufferPointer { gradient in
      v.withUnsafeMutableBufferPointer { v in
        p.withUnsafeMutableBufferPointer { p in
          h.withUnsafeMutableBufferPointer { h in
            r.withUnsafeMutableBufferPointer { r in
              u.withUnsafeMutableBufferPointer { u in
                var vectors = momentum_limit_vectors(
                  gradient: gradient.baseAddress! + 1, velocity: address(v), parameters: address(p), half: address(h),
                  remainder: address(r), half_velocity: address(u))
                withUnsafePointer(to: update) {
                  momentum_limit_update_half(kernel.path, storage.limit, $0, &vectors, count, Self.random)
                }
              }
            }
          }
        }
      }
    }
    XCTAssertTrue(v.first == 77 && v.last == 77 && p.first == 77 && p.last == 77, "written outside of the floats")
    XCTAssertTrue(h.first == 77 && h.last == 77 && r.first == 77 && r.last == 77, "written outside of the halves")
    XCTAssertTrue(u.first == 77 && u.last == 77, "written outside of the velocity")
    result.halfVelocity = Array(u.dropFirst().dropLast())
    result.velocity = Array(v.dropFirst().dropLast())
    result.parameters = Array(p.dropFirst().dropLast())
    result.half = Array(h.dropFirst().dropLast())
    result.remainder = Array(r.dropFirst().dropLast())
    return result
  }
}
