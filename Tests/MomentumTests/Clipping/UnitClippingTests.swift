import Foundation
import MomentumTestSupport
import XCTest

@testable import Momentum

/// Clipping by unit norms and by root mean squares, in place and in steps, against plain loops.
final class UnitClippingTests: XCTestCase {
  func testInPlaceFloat() throws { try inPlace(Float.self) }
  func testInPlaceDouble() throws { try inPlace(Double.self) }
  func testStepsSeeTheClippedGradientFloat() throws { try steps(Float.self) }
  func testStepsSeeTheClippedGradientDouble() throws { try steps(Double.self) }
  func testThreadsFloat() throws { try threads(Float.self) }
  func testThreadsDouble() throws { try threads(Double.self) }

  private let shapes = [[7, 9], [5], [3, 4, 5], [], [0, 3], [2, 3, 4, 5]]

  /// Clips as the documentation says: by value, by units or root mean squares, by the norm of all.
  private func reference(_ x: [[Double]], _ clipping: GradientClipping) -> (elements: [[Double]], compared: Double) {
    var tensors = x.map { tensor in
      tensor.map { value in clipping.value.map { min(max(value, $0.lowerBound), $0.upperBound) } ?? value }
    }
    for (index, shape) in shapes.enumerated() {
      if let (limit, units) = clipping.unitLimit {
        let numbers = UnitCases.numbers(shape, over: UnitCases.axes(units, shape))
        var norms: [Int: Double] = [:]
        for (value, unit) in zip(tensors[index], numbers) { norms[unit, default: 0] += value * value }
        for (i, unit) in numbers.enumerated() where norms[unit]!.squareRoot() > limit {
          tensors[index][i] *= limit / norms[unit]!.squareRoot()
        }
      }
      if case .rootMeanSquare(let limit) = clipping.tensor, !tensors[index].isEmpty {
        let mean = tensors[index].reduce(0) { $0 + $1 * $1 } / Double(tensors[index].count)
        for i in tensors[index].indices { tensors[index][i] /= max(1, mean.squareRoot() / limit) }
      }
    }
    let norm = tensors.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
    if let limit = clipping.globalNorm, norm > limit {
      tensors = tensors.map { $0.map { $0 * limit / norm } }
    }
    return (tensors, norm)
  }

  private func clippings(_ random: inout SeededGenerator) throws -> [GradientClipping] {
    let limit = Double.random(in: 0.3...2, using: &random)
    var all: [GradientClipping] = []
    for units in [TensorUnits.tensor, .firstAxis, .optax] {
      all.append(try .byNorm(limit, of: units))
      all.append(try GradientClipping(value: -0.5...0.4, tensor: .unitNorm(limit, units), whole: .norm(2)))
    }
    all.append(try .byBlockRMS(limit / 3))
    all.append(try GradientClipping(value: -0.5...0.4, tensor: .rootMeanSquare(limit / 4), whole: .norm(3)))
    return all
  }

  private func gradients<S: BLASScalar>(_ random: inout SeededGenerator, _: S.Type) -> [[S]] {
    shapes.map { random.numbers($0.reduce(1, *)) }
  }

  private func inPlace<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 331)
    for _ in 0..<40 {
      for clipping in try clippings(&random) {
        let gradients = gradients(&random, S.self)
        let memory = gradients.map { GuardedMemory($0, shift: 3) }
        let report = try Gradients.clip(memory.map(\.buffer), by: clipping, shapes: shapes)
        let (expected, norm) = reference(gradients.map { $0.map { Double($0) } }, clipping)
        for (tensor, found) in zip(expected, memory) {
          assertClose(tensor, found.elements, ulps: S.self == Float.self ? 6 : 24, "\(clipping)")
          XCTAssertTrue(found.guardsAreIntact)
        }
        XCTAssertEqual(report.comparedNorm!, norm, accuracy: norm * 1e-6)
        XCTAssertEqual(
          report.wasClipped, clipping.value == nil ? memory.map(\.elements) != gradients : report.wasClipped)
        // A second time nothing happens but rounding.
        let again = try Gradients.clip(memory.map(\.buffer), by: clipping, shapes: shapes)
        XCTAssertEqual(again.totalNorm!, min(norm, clipping.globalNorm ?? norm), accuracy: norm * 1e-6)
      }
    }
  }

  private func steps<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 332)
    let layout = try ParameterLayout(shapes.enumerated().map { ("tensor \($0)", $1) })
    for clipping in try clippings(&random) {
      for rate in [1.0, 0.5] {
        let gradients = gradients(&random, S.self)
        var optimizer = try Optimizer<S>(layout, rule: SGD(learningRate: rate), clipping: clipping)
        let parameters = GuardedMemory(Array(repeating: S(0), count: layout.count), shift: 1)
        let flat = GuardedMemory(gradients.flatMap { $0 }, shift: 2)
        flat.forbidWriting()
        let report = try optimizer.step(parameters: parameters.buffer, gradients: flat.readOnlyBuffer)
        XCTAssertTrue(parameters.guardsAreIntact)
        let (expected, norm) = reference(gradients.map { $0.map { Double($0) } }, clipping)
        assertClose(
          expected.joined().map { -rate * $0 }, parameters.elements, ulps: S.self == Float.self ? 8 : 24,
          "\(clipping)")
        XCTAssertEqual(report.comparedNorm!, norm, accuracy: norm * 1e-6)
        XCTAssertEqual(
          report.wasClipped, optimizer.tensorReports().contains(where: \.wasClipped), "\(clipping)")
      }
    }
  }

  /// A step gives the bits of a clip followed by a step, and of any other number of threads.
  private func threads<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 333)
    let layout = try ParameterLayout([("a", [60, 301]), ("b", [70]), ("c", [3, 9000]), ("d", [64, 64])])
    for units in [TensorUnits.firstAxis, .optax] {
      let clipping = try GradientClipping(tensor: .unitNorm(3, units))
      let gradient: [S] = random.numbers(layout.count)
      let start: [S] = random.numbers(layout.count)
      func run(_ threads: Int) throws -> [S] {
        try ThreadTeam.withWorthwhileCount(1) {
          var optimizer = try Optimizer<S>(
            layout, rule: SGD(learningRate: 0.5, momentum: 0.5), clipping: clipping, threads: threads)
          var parameters = start
          for _ in 0..<3 {
            try parameters.withUnsafeMutableBufferPointer { parameters in
              try gradient.withUnsafeBufferPointer { _ = try optimizer.step(parameters: parameters, gradients: $0) }
            }
          }
          return parameters
        }
      }
      let one = try run(1)
      for threads in [2, 5, 16] { assertSameBits(one, try run(threads), "\(units), \(threads) threads") }
    }
  }

  func testNonFiniteElementsStayInTheirUnit() throws {
    let x: [Double] = [30, 40, .nan, 1, .infinity, 2, 0, 0]
    func clip(_ policy: NonFinitePolicy, _ convention: Convention = .native) throws -> [Double] {
      var copy = x
      _ = try copy.withUnsafeMutableBufferPointer {
        try Gradients.clip(
          [$0], by: .byNorm(5, of: .firstAxis), shapes: [[4, 2]], convention: convention, nonFinitePolicy: policy)
      }
      return copy
    }
    let loud = try clip(.propagate)
    XCTAssertEqual(Array(loud[..<2]), [3, 4])
    XCTAssertTrue(loud[2..<6].allSatisfy(\.isNaN))
    XCTAssertEqual(Array(loud[6...]), [0, 0])
    XCTAssertEqual(try clip(.zero), [3, 4, 0, 1, 0, 2, 0, 0])
    // Keras and TensorFlow: what is finite beside an infinity becomes 0.
    let keras = try clip(.propagate, .keras)
    XCTAssertTrue(keras[4].isNaN)
    XCTAssertEqual(keras[5], 0)

    var block: [Double] = [1, .infinity]
    for (convention, expected) in [(Convention.optax, 0.0), (.native, Double.nan)] {
      block = [1, .infinity]
      _ = try block.withUnsafeMutableBufferPointer {
        try Gradients.clip([$0], by: .byBlockRMS(1), convention: convention, nonFinitePolicy: .propagate)
      }
      XCTAssertTrue(block[1].isNaN)
      XCTAssertEqual(block[0].isNaN, expected.isNaN)
      if !expected.isNaN { XCTAssertEqual(block[0], expected) }
    }
  }

  func testLimitsOfZeroAndInfinity() throws {
    func clip(_ clipping: GradientClipping) throws -> (elements: [Float], report: ClipReport) {
      let memory = GuardedMemory([3, 4, -0.0, 0, 1, .leastNonzeroMagnitude] as [Float])
      let report = try Gradients.clip([memory.buffer], by: clipping, shapes: [[3, 2]])
      return (memory.elements, report)
    }
    let same: [Float] = [3, 4, -0.0, 0, 1, .leastNonzeroMagnitude]
    for clipping in try [GradientClipping.byNorm(.infinity, of: .firstAxis), .byBlockRMS(.infinity)] {
      let (elements, report) = try clip(clipping)
      assertSameBits(same, elements)
      XCTAssertFalse(report.wasClipped)
    }
    assertSameBits([0, 0, -0.0, 0, 0, 0], try clip(.byNorm(0, of: .firstAxis)).elements)
    assertSameBits([0, 0, -0.0, 0, 0, 0], try clip(.byBlockRMS(0)).elements)
    // Norms beyond the type are clipped to the limit all the same.
    let memory = GuardedMemory([3e38, 3e38, 3e38, 3e38, 1, 2] as [Float])
    try Gradients.clip([memory.buffer], by: .byNorm(2, of: .axes([1])), shapes: [[3, 2]])
    let root = 2.0.squareRoot()
    assertClose([root, root, root, root, 2 / 5.0.squareRoot(), 4 / 5.0.squareRoot()], memory.elements, ulps: 2)
  }

  func testRefusals() throws {
    expect("normUnits is firstAxis; expected a clip norm that holds for each unit") {
      _ = try GradientClipping.tensorLimit(nil, .firstAxis, nil)
    }
    expect("normType is 1.0; expected 2 to clip units") {
      try GradientClipping(tensor: .unitNorm(1, .optax), normType: .l1)
    }
    expect("algorithm is portable; expected blas to clip units") {
      try GradientClipping(tensor: .unitNorm(1, .optax), algorithm: .portable)
    }
    expect("clip block RMS is 2.0; expected no clip norm besides: both limit each tensor") {
      _ = try GradientClipping.tensorLimit(1, nil, 2)
    }
    expect("normType is inf; expected 2 to clip by block RMS") {
      try GradientClipping(tensor: .rootMeanSquare(2), normType: .infinity)
    }
    expect("clip block RMS is -1.0; expected a number >= 0; a negative limit would flip the sign of the gradient") {
      try GradientClipping.byBlockRMS(-1)
    }
    var x: [Float] = [30, 40]
    try x.withUnsafeMutableBufferPointer { buffer in
      let clipping = try GradientClipping.byNorm(1, of: .firstAxis)
      expect("units of tensor '0' is firstAxis without a shape; expected the shapes of the tensors") {
        try Gradients.clip([buffer], by: clipping)
      }
      expect("shapes has count 2; expected 1") { try Gradients.clip([buffer], by: clipping, shapes: [[2], [2]]) }
      expect("shape [3] of tensor 0 has count 3; expected 2") {
        try Gradients.clip([buffer], by: clipping, shapes: [[3]])
      }
      expect("units of tensor 'w' is axes [1] of the shape [2]; expected axes in -1..<1, each at most once") {
        try Gradients.clip([buffer], by: .byNorm(1, of: .axes([1])), names: ["w"], shapes: [[2]])
      }
    }
    XCTAssertEqual(x, [30, 40])
    let layout = try ParameterLayout([("w", [2])])
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 1), clipping: .byNorm(1, of: .axes([1])), nonFinitePolicy: .propagate)
    var parameters = try ParameterVector<Float>(layout)
    let gradients = try ParameterVector<Float>([1, 1])
    expect("units of tensor 'w' is axes [1] of the shape [2]; expected axes in -1..<1, each at most once") {
      try optimizer.step(&parameters, gradients: gradients)
    }
    XCTAssertEqual(optimizer.stepCount, 0)
    expect("mode is onePass; expected twoPass to clip by value or by tensor norms") {
      _ = try Optimizer<Float>(
        layout, rule: SGD(learningRate: 1), clipping: .byBlockRMS(1), nonFinitePolicy: .propagate, mode: .onePass)
    }
  }

  func testSettingsAreStored() throws {
    let clipping = try GradientClipping(tensor: .unitNorm(2, .axes([0, -1])), whole: .norm(3))
    let data = try JSONEncoder().encode(clipping)
    XCTAssertEqual(try JSONDecoder().decode(GradientClipping.self, from: data), clipping)
    // Settings stored before there were units.
    let old = Data(#"{"norm": 2, "normType": 2, "algorithm": "blas"}"#.utf8)
    XCTAssertEqual(try JSONDecoder().decode(GradientClipping.self, from: old), try .byNorm(2))
  }
}
