import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Norms of data in half precision: what other libraries get wrong, and bits that depend on nothing but the numbers.
final class HalfNormTests: XCTestCase {
  /// Optax and MLX report 64.
  func testManySmallTensors() throws {
    // One tensor, seen a thousand times.
    #if DEBUG
      let (count, norm) = (1000, 10.009765625)
    #else
      let (count, norm) = (100_000, 100.09765625)
    #endif
    let tensor = [BFloat16](repeating: 0.01, count: count)
    try tensor.withUnsafeBufferPointer { tensor in
      let report = try Gradients.norm(of: Array(repeating: tensor, count: 1000))
      XCTAssertEqual(report.norm, norm)
    }
  }

  #if !(os(macOS) && arch(x86_64))
    /// The norm is more than twice the largest Float16.
    func testNormBeyondTheRangeOfFloat16() throws {
      #if DEBUG
        let (element, count) = (1000.0, 200)
      #else
        let (element, count) = (10.0, 2_000_000)
      #endif
      let tensor = [Float16](repeating: Float16(element), count: count)
      try tensor.withUnsafeBufferPointer { tensor in
        let report = try Gradients.norm(of: Array(repeating: tensor, count: 100))
        XCTAssertEqual(report.norm, (100 * Double(count) * element * element).squareRoot())
        XCTAssertGreaterThan(report.norm, Double(Float16.greatestFiniteMagnitude))
        XCTAssertEqual(report.nanCount + report.infinityCount, 0)
      }
    }

    func testNormsOfFloat16() throws {
      var random = SeededGenerator(seed: 162)
      try check(
        (0..<9000).map { _ in Float16(bitPattern: UInt16(random.next() & 0xffff)) }.map { $0.isFinite ? $0 : 1 },
        Float.init)
    }
  #endif

  func testNormsOfBFloat16() throws {
    var random = SeededGenerator(seed: 163)
    try check(
      (0..<9000).map { _ in BFloat16(bitPattern: UInt16(random.next() & 0xffff)) }.map { $0.isFinite ? $0 : 1 },
      Float.init)
  }

  /// Equal to the norm of the widened elements, whatever the threads, the order, the cuts and the places are.
  private func check<Half: HalfScalar>(_ elements: [Half], _ widen: (Half) -> Float) throws {
    let wide = elements.map(widen)
    for type in [NormType.l2, .l1, .infinity, .p(3), .p(0)] {
      let expected = try wide.withUnsafeBufferPointer { try Gradients.norm(of: $0, type: type, algorithm: .portable) }
      try elements.withUnsafeBufferPointer { all in
        XCTAssertEqual(try Gradients.norm(of: all, type: type), expected, "\(type)")
        for threads in 1...8 {
          let report = try ThreadTeam.withWorthwhileCount(1) {
            try Gradients.norm(of: all, type: type, threads: threads)
          }
          XCTAssertEqual(report, expected, "\(type), \(threads) threads")
        }
        let cuts = [0, 2048, 4096, 8192, all.count]
        let parts = zip(cuts, cuts.dropFirst()).map { UnsafeBufferPointer(rebasing: all[$0..<$1]) }
        XCTAssertEqual(try Gradients.norm(of: parts.reversed(), type: type), expected, "\(type), in parts")
      }
      XCTAssertEqual(try Gradients.norm(of: elements.span, type: type), expected, "\(type), span")
      XCTAssertEqual(try Gradients.norm(of: ParameterVector(elements), type: type), expected, "\(type), vector")
    }
    for shift in 1..<32 {
      let moved = Array(repeating: elements[0], count: shift) + elements
      try moved.withUnsafeBufferPointer { moved in
        let report = try Gradients.norm(of: UnsafeBufferPointer(rebasing: moved[shift...]))
        let expected = try wide.withUnsafeBufferPointer { try Gradients.norm(of: $0, algorithm: .portable) }
        XCTAssertEqual(report, expected, "shift \(shift)")
      }
    }
    // Partials of shards.
    try elements.withUnsafeBufferPointer { all in
      var total = try NormPartial(of: UnsafeBufferPointer(rebasing: all[4096...]))
      total.merge(try NormPartial(of: UnsafeBufferPointer(rebasing: all[..<4096])))
      XCTAssertEqual(total.norm, try Gradients.norm(of: all).norm)
    }
  }

  /// All numbers of a type, most of which are far from the largest, beside the norm by its definition.
  func testNormsOfAllNumbersAreWithinTheirBound() throws {
    let types: [(ElementType, UInt16)] = [(.bfloat16, 0x7f80), (.float16, 0x7c00)]
    for (type, infinity) in types {
      // Up to several largest numbers: the last tiles decide.
      for last in stride(from: Int(infinity) / 8, through: Int(infinity), by: Int(infinity) / 8) {
        let bits = (0..<UInt16(last)).flatMap { [$0, $0 | 0x8000] }
        let exact = ReferenceNorm.norm(bits.map { Widest(HalfOracle.value($0, type)) }, order: 2)
        for bits in [bits, bits.reversed()] {
          let found = try bits.withUnsafeBytes { bytes in
            try Gradients.norm(of: [
              TensorBuffer(base: bytes.baseAddress, count: bytes.count / 2, elementType: type)
            ]).norm
          }
          XCTAssertEqual(found / Double(exact), 1, accuracy: 4e-15, "\(type), up to \(last)")
        }
      }
    }
  }

  /// What a tile sums up exactly it sums up in any order: numbers of Float16 whose squares are at most 32 together, and of
  /// BFloat16 of up to 13 exponents in a row.
  func testSumsOfTilesAreExactInAnyOrder() throws {
    var random = SeededGenerator(seed: 1643)
    let types: [(ElementType, () -> UInt16)] = [
      (.float16, { UInt16.random(in: 0..<0x3000, using: &random) }),  // below 1/8
      (.bfloat16, { UInt16.random(in: 0x3f80..<0x3f80 + 13 << 7, using: &random) }),  // from 1 to 2¹³
    ]
    for (type, number) in types {
      var bits = (0..<2048).map { _ in number() }
      func norm() throws -> Double {
        try bits.withUnsafeBytes { bytes in
          try Gradients.norm(of: [
            TensorBuffer(base: bytes.baseAddress, count: bytes.count / 2, elementType: type)
          ]).norm
        }
      }
      let sum = bits.reduce(Widest(0)) { $0 + Widest(HalfOracle.value($1, type)) * Widest(HalfOracle.value($1, type)) }
      let expected = Double(sum).squareRoot()
      for _ in 0..<50 {
        XCTAssertEqual(try norm(), expected, "\(type)")
        bits.shuffle(using: &random)
      }
    }
  }

  func testElementsThatAreNotFinite() throws {
    var elements = [BFloat16](repeating: 1, count: 5000)
    (elements[17], elements[4000], elements[4999]) = (.nan, .infinity, -.infinity)
    let report = try Gradients.norm(of: elements.span)
    XCTAssertTrue(report.norm.isNaN)
    XCTAssertEqual([report.nanCount, report.infinityCount], [1, 2])
    XCTAssertThrowsError(try Gradients.norm(of: elements.span, type: .p(-1)))
    XCTAssertEqual(try Gradients.norm(of: [BFloat16]().span).norm, 0)
  }

  func testTensorsOfAllTypesTogether() throws {
    var random = SeededGenerator(seed: 164)
    let floats: [Float] = random.numbers(5000)
    let doubles: [Double] = random.numbers(3000)
    let halves: [BFloat16] = random.numbers(7000, as: Float.self).map { BFloat16($0) }
    for type in [NormType.l2, .l1, .infinity, .p(3)] {
      let expected = ReferenceNorm.norm(
        floats.map { Widest($0) } + doubles.map { Widest($0) } + halves.map { Widest(Float($0)) }, order: type.order)
      try floats.withUnsafeBufferPointer { floats in
        try doubles.withUnsafeBufferPointer { doubles in
          try halves.withUnsafeBufferPointer { halves in
            let tensors = [TensorBuffer(halves), TensorBuffer(floats), TensorBuffer(doubles)]
            let report = try Gradients.norm(of: tensors, type: type, algorithm: .portable)
            XCTAssertEqual(report.norm / Double(expected), 1, accuracy: 1e-14, "\(type)")
            for threads in [1, 3, 7] {
              let again = try ThreadTeam.withWorthwhileCount(1) {
                try Gradients.norm(of: tensors.reversed(), type: type, algorithm: .portable, threads: threads)
              }
              XCTAssertEqual(again, report, "\(type), \(threads) threads")
            }
            // Tensors of the two wide types have the norm that they have without the others.
            XCTAssertEqual(
              try Gradients.norm(of: Array(tensors[1...]), type: type),
              try Gradients.norm(of: [floats], [doubles], type: type))
          }
        }
      }
    }
  }

  func testTheHostsFloatingPointEnvironmentChangesNothing() throws {
    let elements = (0..<4000).map { BFloat16(bitPattern: UInt16($0 % 0x90)) }
    let expected = try Gradients.norm(of: elements.span)
    XCTAssertGreaterThan(expected.norm, 0)
    let register = momentum_float_register()
    defer { momentum_set_float_register(register) }
    #if arch(x86_64)
      momentum_set_float_register(register | 0x8040 | 0x6000)
    #endif
    let flushed = try Gradients.norm(of: elements.span)
    momentum_set_float_register(register)
    XCTAssertEqual(flushed, expected)
  }
}
