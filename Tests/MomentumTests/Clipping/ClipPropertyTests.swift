import Momentum
import MomentumTestSupport
import XCTest

/// What must hold after every clip, whatever the numbers.
final class ClipPropertyTests: XCTestCase {
  func testEveryClipAgreesWithTheReferenceFloat() throws { try everyClip(Float.self, Double.self) }
  func testEveryClipAgreesWithTheReferenceDouble() throws { try everyClip(Double.self, Widest.self) }
  func testNormsStayWithinTheLimitFloat() throws { try normsStayWithinTheLimit(Float.self) }
  func testNormsStayWithinTheLimitDouble() throws { try normsStayWithinTheLimit(Double.self) }
  func testNothingIsWrittenWithinTheLimitsFloat() throws { try nothingIsWrittenWithinTheLimits(Float.self) }
  func testNothingIsWrittenWithinTheLimitsDouble() throws { try nothingIsWrittenWithinTheLimits(Double.self) }

  private func everyClip<S: BLASScalar, Wide: WideFloat>(_: S.Type, _: Wide.Type) throws {
    var random = SeededGenerator(seed: 81)
    var worst = 0.0
    for clipping in StepOptions.clippings {
      let convention = Convention.allCases.filter { (try? clipping.check($0)) != nil }.randomElement(using: &random)!
      let counts = [40, 0, Int.random(in: 1...70, using: &random)]
      let gradients: [[S]] = counts.map { random.numbers($0) }
      var expected: [[Wide]?] = gradients.map { $0.map { Wide($0) } }
      let reference = ReferenceOptimizer<Wide>(
        gradients, rule: try SGD(learningRate: 1, convention: convention), clipping: clipping)
      let report = reference.clip(&expected)
      let (elements, found) = try clipped(
        gradients, by: clipping, convention: convention, shift: Int.random(in: 0..<8, using: &random))
      let allowed = AccuracyBounds.clip(clipping, S.self) * AccuracyBounds.unit(S.self)
      for tensor in counts.indices {
        for (i, value) in expected[tensor]!.enumerated() {
          let error = Double((Wide(elements[tensor][i]) - value).magnitude)
          worst = max(worst, error == 0 ? 0 : error / (allowed * Double(value.magnitude)))
        }
      }
      XCTAssertLessThanOrEqual(worst, 1, "\(convention), \(clipping)")
      XCTAssertEqual(found.valueClippedCount, report.valueClippedCount, "\(convention), \(clipping)")
    }
    record("clip, all kinds, \(S.self)", worst)
  }

  private func normsStayWithinTheLimit<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 82)
    let unit = AccuracyBounds.unit(S.self)
    for type in [NormType.l2, .l1, .infinity, .p(3), .p(2.5)] {
      for round in 0..<20 {
        let counts = [1, Int.random(in: 2...300, using: &random), round == 0 ? 5000 : 3]
        let gradients: [[S]] = counts.map { random.numbers($0, exponents: -20...20) }
        let limit = Double.random(in: 0.001...10, using: &random)
        let clipping = try GradientClipping.byGlobalNorm(limit, type: type)
        let once = try clipped(gradients, by: clipping)
        let bound = (4 + AccuracyBounds.norm(type, S.self)) * unit
        let after = try norm(once.elements, type: type).norm
        XCTAssertLessThanOrEqual(after, limit * (1 + bound), "\(type), limit \(limit)")
        if once.report.wasClipped {
          XCTAssertGreaterThanOrEqual(after, limit * (1 - bound), "\(type): clipped to the limit and not below")
        }
        // A second time changes nothing more than rounding.
        let twice = try clipped(once.elements, by: clipping)
        XCTAssertEqual(twice.report.clipCoefficient, 1, accuracy: bound)
        for (x, y) in zip(once.elements.joined(), twice.elements.joined()) {
          XCTAssertEqual(Double(x), Double(y), accuracy: Double(x.magnitude) * (bound + 2 * unit))
        }

        let own = try clipped(gradients, by: .byNorm(limit, type: type)).elements
        for tensor in own {
          XCTAssertLessThanOrEqual(try norm([tensor], type: type).norm, limit * (1 + bound), "\(type)")
        }
      }
    }
  }

  private func nothingIsWrittenWithinTheLimits<S: BLASScalar>(_: S.Type) throws {
    let special: [S] = [0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 1, -1]
    let gradient = GuardedMemory([S](repeating: -0.0, count: 2050) + special, shift: 3)
    // Any write ends the process.
    gradient.forbidWriting()
    for clipping in try [
      GradientClipping.byGlobalNorm(2), .byNorm(2), .byValue(1), .byValue(.infinity), .measureOnly,
      GradientClipping(value: -2...2, tensor: .norm(10), whole: .norm(20), normType: .l1), .none,
      .byGlobalNorm(1, type: .infinity), .byGlobalNorm(1.3, type: .p(3)),
    ] {
      for policy in NonFinitePolicy.allCases {
        let report = try Gradients.clip([gradient.buffer], by: clipping, nonFinitePolicy: policy)
        XCTAssertFalse(report.wasClipped)
        XCTAssertEqual(report.clipCoefficient, 1)
        XCTAssertEqual(report.valueClippedCount, 0)
      }
    }
  }

  func testUntouchedTensorsKeepTheirBits() throws {
    // Only the second tensor is above the limit; the payload of the NaN in the first survives.
    let odd = Double(nan: 0xBEEF, signaling: false)
    let first = GuardedMemory([odd, -0.0, .leastNonzeroMagnitude])
    let second = GuardedMemory([3.0, 4])
    first.forbidWriting()
    let clipping = try GradientClipping.byNorm(1)
    let third = GuardedMemory([0.1])
    try Gradients.clip([third.buffer, second.buffer], by: clipping)
    XCTAssertEqual(second.elements, [3 * 0.2, 4 * 0.2])
    XCTAssertEqual(third.elements, [0.1])
    // Clipping by value passes NaN with its payload through, and moves nothing else.
    let (elements, _) = try clipped([[odd, -0.0, .leastNonzeroMagnitude, 9]], by: .byValue(2), policy: .propagate)
    assertSameBits([odd, -0.0, .leastNonzeroMagnitude, 2], elements[0])
    // A skipped clip and a measurement write nothing either.
    for policy in [NonFinitePolicy.skipStep, .propagate] {
      let limit = policy == .skipStep ? 1e-300 : Double.infinity
      try Gradients.clip([first.buffer], by: .byGlobalNorm(limit), nonFinitePolicy: policy)
    }
    XCTAssertThrowsError(try Gradients.clip([first.buffer], by: .byGlobalNorm(1e-300)))
  }

  func testAnElementOfANilTensorCountsNowhere() throws {
    var run = try EngineRun<Double>([[1], [1], [1]], rule: SGD(learningRate: 1), clipping: .byGlobalNorm(2.5))
    let report = try run.step([[3], nil, [-4]])
    XCTAssertEqual(report.totalNorm, 5)
    XCTAssertEqual(run.parameters, [[-0.5], [1], [3]])
    let tensors = run.optimizer.tensorReports()
    XCTAssertEqual(tensors.map(\.norm), [3, nil, 4])
    XCTAssertEqual(tensors.map(\.wasClipped), [true, false, true])
    XCTAssertEqual(tensors.map(\.clipCoefficient), [0.5, 1, 0.5])
    XCTAssertEqual(tensors.map(\.name), ["tensor 0", "tensor 1", "tensor 2"])
    // All nil: a step that does nothing but count.
    let none = try run.step([nil, nil, nil])
    XCTAssertEqual(none.totalNorm, 0)
    XCTAssertEqual(none.step, 2)
  }

  func testValueBoundsMayBeOpen() throws {
    let gradient: [[Double]] = [[-5, 5, .infinity, -.infinity]]
    let (below, report) = try clipped(
      gradient, by: GradientClipping(value: -2 ... .infinity), policy: .propagate)
    XCTAssertEqual(below, [[-2, 5, .infinity, -2]])
    XCTAssertEqual(report.valueClippedCount, 2)
    XCTAssertEqual(try clipped([[-5.0, 5]], by: GradientClipping(value: 1...2)).elements, [[1, 2]])
    // A bound that the element type cannot hold is open.
    XCTAssertEqual(try clipped([[Float.greatestFiniteMagnitude]], by: .byValue(1e300)).report.valueClippedCount, 0)
  }
}
