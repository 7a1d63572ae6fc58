import MomentumTestSupport
import XCTest

@testable import Momentum

/// Clips of gradients in half precision: those of the same gradient of `Float`s, rounded once.
final class HalfClipTests: XCTestCase {
  func testClipsAreThoseOfFloatsRoundedOnceBFloat16() throws { try clipsAreThoseOfFloatsRoundedOnce(BFloat16.self) }
  func testThreadsAndPlacesDoNotMatterBFloat16() throws { try threadsAndPlacesDoNotMatter(BFloat16.self) }
  #if !(os(macOS) && arch(x86_64))
    func testClipsAreThoseOfFloatsRoundedOnceFloat16() throws { try clipsAreThoseOfFloatsRoundedOnce(Float16.self) }
    func testThreadsAndPlacesDoNotMatterFloat16() throws { try threadsAndPlacesDoNotMatter(Float16.self) }
  #endif

  private static let counts = [2500, 1, 0, 64, 700]
  private static let shapes = [[50, 50], [], [0, 3], [8, 8], [700]]

  private func clippings() throws -> [GradientClipping] {
    try [
      .measureOnly, .byValue(0.3), .byNorm(0.7), .byBlockRMS(0.2), .byGlobalNorm(3), .byGlobalNorm(1e-30),
      .byGlobalNorm(1000), .byGlobalNorm(2, type: .l1), .byGlobalNorm(0.4, type: .infinity),
      .byGlobalNorm(2, type: .p(3)),
      .normalized(to: 2), .normalized(to: 50), .byNorm(0.5, of: .firstAxis),
      GradientClipping(value: -0.5...0.25, tensor: .norm(4), whole: .norm(2)),
    ]
  }

  private func clipsAreThoseOfFloatsRoundedOnce<Half: TestHalf>(_: Half.Type) throws {
    var random = SeededGenerator(seed: 165)
    let plain: [[Half]] = Self.counts.map { random.halves($0) }
    var special = plain
    (special[0][3], special[0][2400], special[4][699]) = (Half(.nan), Half(.infinity), Half(-.infinity))
    for (gradients, policies) in [
      (plain, [NonFinitePolicy?.none]), (special, [.propagate, .zero, .skipStep]),
    ] as [([[Half]], [NonFinitePolicy?])] {
      for policy in policies {
        for convention in Convention.allCases {
          for var clipping in try clippings() {
            guard (try? clipping.validate(convention)) != nil else { continue }
            let what = "\(Half.self), \(clipping), \(convention), \(policy.map { "\($0)" } ?? "default")"
            // Units are clipped with the other algorithm only, which gives the norm of Floats other last bits.
            let isOfUnits = clipping.unitLimit != nil
            clipping.algorithm = isOfUnits ? .blas : .portable
            let (wide, expected) = try clip(gradients.map { $0.map(\.float) }, clipping, convention, policy)
            clipping.algorithm = .blas
            let (found, report) = try clip(gradients, clipping, convention, policy)
            var comparable = report
            comparable.overflowedElements = 0
            if isOfUnits {
              XCTAssertEqual(report.wasClipped, expected.wasClipped, what)
            } else {
              XCTAssertEqual("\(comparable)", "\(expected)", what)
            }
            for (tensor, (wide, found)) in zip(wide, found).enumerated() {
              let bits = wide.map { HalfOracle.bits($0, Half.elementType) }
              XCTAssertEqual(found.map(\.bitPattern), bits, "\(what), tensor \(tensor)")
            }
          }
        }
      }
    }
  }

  private func clip(
    _ gradients: [[Float]], _ clipping: GradientClipping, _ convention: Convention, _ policy: NonFinitePolicy?
  ) throws -> ([[Float]], ClipReport) {
    try withBuffers(gradients) { buffers in
      let buffers = buffers.map { UnsafeMutableBufferPointer(mutating: $0!) }
      let report = try Gradients.clip(
        buffers, by: clipping, shapes: Self.shapes, convention: convention, nonFinitePolicy: policy)
      return (buffers.map(Array.init), report)
    }
  }

  private func clip<Half: TestHalf>(
    _ gradients: [[Half]], _ clipping: GradientClipping, _ convention: Convention, _ policy: NonFinitePolicy?
  ) throws -> ([[Half]], ClipReport) {
    try withBuffers(gradients) { buffers in
      let buffers = buffers.map { UnsafeMutableBufferPointer(mutating: $0!) }
      let report = try Gradients.clip(
        buffers, by: clipping, shapes: Self.shapes, convention: convention, nonFinitePolicy: policy)
      return (buffers.map(Array.init), report)
    }
  }

  private func threadsAndPlacesDoNotMatter<Half: TestHalf>(_: Half.Type) throws {
    var random = SeededGenerator(seed: 166)
    let elements: [Half] = random.halves(7000)
    let clipping = try GradientClipping(value: -0.5...0.5, whole: .norm(3))
    var expected = try ParameterVector(elements)
    let report = try Gradients.clip(&expected, by: clipping, threads: 1)
    for threads in 2...9 {
      let shift = threads % 7
      var moved = Array(repeating: elements[0], count: shift) + elements + [elements[1]]
      try ThreadTeam.withWorthwhileCount(1) {
        try moved.withUnsafeMutableBufferPointer { moved in
          let part = UnsafeMutableBufferPointer(rebasing: moved[shift..<shift + elements.count])
          XCTAssertEqual(try Gradients.clip([part], by: clipping, threads: threads), report)
        }
      }
      XCTAssertEqual(
        moved.map(\.bitPattern),
        Array(repeating: elements[0].bitPattern, count: shift) + expected.bits + [elements[1].bitPattern])
    }
    // By the norm of another's measurement.
    var given = try ParameterVector(elements)
    let norm = try Gradients.norm(of: given).norm
    try Gradients.clip(&given, byGlobalNorm: 3, givenNorm: norm)
    var measured = try ParameterVector(elements)
    try Gradients.clip(&measured, by: .byGlobalNorm(3))
    XCTAssertEqual(given.bits, measured.bits)
    XCTAssertNotEqual(given.bits, elements.map(\.bitPattern))
  }

  func testTheCoefficientIsNeverRoundedToHalf() throws {
    // In BFloat16 0.9999 would be 1.
    var gradient = try ParameterVector([BFloat16](repeating: 1, count: 100))
    let report = try Gradients.clip(&gradient, by: .byGlobalNorm(9.999))
    XCTAssertTrue(report.wasClipped)
    XCTAssertEqual(report.clipCoefficient, 0.9999, accuracy: 1e-15)
    var large = try ParameterVector([BFloat16](repeating: 3, count: 100))
    try Gradients.clip(&large, by: .byGlobalNorm(29.9))
    // 2.99 is not 3, and lies nearest to 2.984375.
    XCTAssertEqual(large[0], 2.984375)
  }

  #if !(os(macOS) && arch(x86_64))
    func testElementsThatOverflowAreCounted() throws {
      var gradient = try ParameterVector<Float16>([40000, 1, -40000, 30000])
      let report = try Gradients.clip(&gradient, by: .normalized(to: 128_000))
      XCTAssertEqual(report.overflowedElements, 2)
      XCTAssertEqual([gradient[0], gradient[2]], [.infinity, -.infinity])
      XCTAssertTrue(gradient[3].isFinite)
    }

    /// The report of an owner is that of all, but for what overflowed where it wrote.
    func testOwnersCountWhatOverflowsOfTheirOwn() throws {
      let numbers: [Float16] = [40000, 1, -40000, 30000, 48000, 2]
      let reports = try withBuffers([Array(numbers[..<2]), [], Array(numbers[2...])]) { parts in
        let parts = UnsafeTransfer(parts.map { UnsafeMutableBufferPointer(mutating: $0!) })
        return try ThreadExchange.run(owners: 3) { owner, exchange throws(MomentumError) in
          try Gradients.clip([parts.value[owner]], by: .normalized(to: 160_000), exchange: exchange)
        }
      }
      var whole = try ParameterVector(numbers)
      let report = try Gradients.clip(&whole, by: .normalized(to: 160_000))
      XCTAssertEqual(report.overflowedElements, 3)
      XCTAssertEqual(reports.map(\.overflowedElements), [1, 0, 2])
      for var own in reports {
        own.overflowedElements = report.overflowedElements
        XCTAssertEqual(own, report)
      }
    }

    func testElementsThatOverflowSaturate() throws {
      let numbers: [Float16] = [40000, 1, -40000, 30000]
      var gradient = try ParameterVector(numbers)
      let report = try Gradients.clip(&gradient, by: .normalized(to: 128_000), overflowPolicy: .saturate)
      XCTAssertEqual(report.overflowedElements, 2)
      XCTAssertEqual([gradient[0], gradient[2]], [65_504, -65_504])
      var usual = try ParameterVector(numbers)
      try Gradients.clip(&usual, by: .normalized(to: 128_000))
      XCTAssertEqual([gradient[1], gradient[3]], [usual[1], usual[3]])
      // All other ways to name the gradient.
      var elements = numbers
      var span = elements.mutableSpan
      try Gradients.clip(&span, by: .normalized(to: 128_000), overflowPolicy: .saturate)
      XCTAssertEqual(elements.map(\.bitPattern), gradient.bits)
      var others = numbers
      let together = try others.withUnsafeMutableBufferPointer { others in
        let others = UnsafeTransfer(others)
        return try ThreadExchange.run(owners: 1) { _, exchange throws(MomentumError) in
          try Gradients.clip(
            [others.value], by: .normalized(to: 128_000), overflowPolicy: .saturate, exchange: exchange)
        }[0]
      }
      XCTAssertEqual(together.overflowedElements, 2)
      XCTAssertEqual(others.map(\.bitPattern), gradient.bits)
    }
  #endif

  func testErrorsNameTensorsAndComeBeforeWrites() throws {
    var elements = [BFloat16](repeating: 1, count: 10)
    elements[7] = -.infinity
    try elements.withUnsafeMutableBufferPointer { elements in
      XCTAssertThrowsError(try Gradients.clip([elements], by: .byGlobalNorm(1), names: ["w"])) {
        XCTAssertEqual($0 as? MomentumError, .nonFiniteGradient(tensor: "w", index: 7, value: -.infinity))
      }
      let (first, second) = (elements[..<6], elements[5...])
      XCTAssertThrowsError(
        try Gradients.clip(
          [UnsafeMutableBufferPointer(rebasing: first), UnsafeMutableBufferPointer(rebasing: second)],
          by: .byGlobalNorm(1))
      ) {
        XCTAssertEqual(
          $0 as? MomentumError, .overlap(first: "gradient of tensor '0'", second: "gradient of tensor '1'"))
      }
    }
    XCTAssertEqual(elements[0], 1)
  }
}
