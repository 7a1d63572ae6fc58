import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// Layouts, vectors, and the ways to hand them to a step.
final class StorageTests: XCTestCase {
  func testALayoutPutsTensorsOneAfterAnother() throws {
    let layout = try ParameterLayout([("weight", [64, 2]), ("empty", [3, 0]), ("scalar", []), ("bias", [64])])
    XCTAssertEqual(layout.tensors.map(\.offset), [0, 128, 128, 129])
    XCTAssertEqual(layout.tensors.map(\.count), [128, 0, 1, 64])
    XCTAssertEqual(layout.tensors[3].range, 129..<193)
    XCTAssertEqual(layout.count, 193)
    XCTAssertEqual(layout.index(of: "bias"), 3)
    XCTAssertNil(layout.index(of: "other"))
    XCTAssertEqual(try layout.tensor(named: "empty").shape, [3, 0])
    XCTAssertEqual(try ParameterLayout([]).count, 0)
  }

  func testEmptyIsEmptyWhereverTheZeroStands() throws {
    for shape in [[0, 1 << 40, 1 << 40], [1 << 40, 1 << 40, 0], [1 << 40, 0, 1 << 40]] {
      XCTAssertEqual(try ParameterLayout([("a", shape), ("b", [2])]).tensors.map(\.offset), [0, 0])
    }
    for shape in [[1 << 40, 1 << 40], [-1, 0], [0, -1]] {
      XCTAssertThrowsError(try ParameterLayout([("a", shape)])) {
        XCTAssertEqual($0 as? MomentumError, .invalidShape(tensor: "a", shape: shape))
      }
    }
  }

  func testADecodedLayoutIsCheckedLikeAnyOther() throws {
    let layout = try ParameterLayout([("a", [2, 3]), ("b", [])])
    let data = try JSONEncoder().encode(layout)
    XCTAssertEqual(try JSONDecoder().decode(ParameterLayout.self, from: data), layout)
    let damaged = Data(#"[{"name":"a","shape":[1]},{"name":"a","shape":[1]}]"#.utf8)
    XCTAssertThrowsError(try JSONDecoder().decode(ParameterLayout.self, from: damaged)) {
      XCTAssertEqual($0 as? MomentumError, .duplicateTensor(name: "a"))
    }
  }

  func testSettingsSurviveTheirEncoding() throws {
    let rule = try SGD(learningRate: 0.1, momentum: 0.9, nesterov: true, convention: .mlx)
    XCTAssertEqual(try JSONDecoder().decode(SGD.self, from: JSONEncoder().encode(rule)), rule)
    for type in [NormType.l1, .l2, .infinity, .p(2.5)] {
      let clipping = try GradientClipping(
        value: -1...2, tensor: .norm(3), whole: .norm(4), normType: type, algorithm: .portable)
      XCTAssertEqual(try JSONDecoder().decode(GradientClipping.self, from: JSONEncoder().encode(clipping)), clipping)
    }
    XCTAssertThrowsError(try JSONDecoder().decode([NormType].self, from: Data("[-1]".utf8)))
    XCTAssertThrowsError(try JSONDecoder().decode([NormType].self, from: Data(#"["two"]"#.utf8)))
  }

  func testAVectorIsZeroAlignedAndItsOwn() throws {
    for count in [0, 1, 100, 9 << 20] {
      var vector = try ParameterVector<Float>(ParameterLayout(count: count))
      XCTAssertEqual(vector.count, count)
      vector.withUnsafeBufferPointer { buffer in
        XCTAssertEqual(UInt(bitPattern: buffer.baseAddress) % 64, 0)
        for index in stride(from: 0, to: count, by: 997) { XCTAssertEqual(buffer[index], 0) }
      }
      guard count > 0 else { continue }
      vector[count - 1] = 3
      let copy = try vector.clone()
      vector.fill(1)
      XCTAssertEqual(copy[count - 1], 3)
      XCTAssertEqual(copy[0], count == 1 ? 3 : 0)
      XCTAssertEqual(vector[count - 1], 1)
    }
  }

  func testEveryWayToTakeAStepIsTheSame() throws {
    var random = SeededGenerator(seed: 121)
    let layout = try ParameterLayout([("a", [30, 3]), ("b", [7])])
    let (start, gradient): ([Float], [Float]) = (random.numbers(97), random.numbers(97))
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    let clipping = try GradientClipping.byGlobalNorm(2)
    var run = try EngineRun([Array(start[..<90]), Array(start[90...])], rule: rule, clipping: clipping)
    let expected = try run.step([Array(gradient[..<90]), Array(gradient[90...])])

    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    for index in 0..<97 { (parameters[index], gradients[index]) = (start[index], gradient[index]) }
    var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: clipping)
    XCTAssertEqual(try optimizer.step(&parameters, gradients: gradients), expected)
    assertSameBits(run.parameters.flatMap { $0 }, parameters.withUnsafeBufferPointer { Array($0) })

    var array = start
    var span = array.mutableSpan
    var third = try Optimizer<Float>(layout, rule: rule, clipping: clipping)
    XCTAssertEqual(try third.step(&span, gradients: gradient.span), expected)
    assertSameBits(run.parameters.flatMap { $0 }, array)
  }

  func testBuffersThatChangeAreLookedAtAgain() throws {
    let layout = try ParameterLayout([("a", [4]), ("b", [4])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1))
    var memory: [Float] = Array(repeating: 0, count: 16)
    try memory.withUnsafeMutableBufferPointer { memory in
      func part(_ start: Int) -> UnsafeMutableBufferPointer<Float> { .init(rebasing: memory[start..<start + 4]) }
      func gradient(_ start: Int) -> UnsafeBufferPointer<Float>? { .init(part(start)) }
      for index in 8..<16 { memory[index] = 1 }
      let (parameters, gradients) = ([part(0), part(4)], [gradient(8), gradient(12)])
      for _ in 0..<2 { try optimizer.step(parameters: parameters, gradients: gradients) }
      XCTAssertEqual(Array(memory[..<8]), Array(repeating: -2, count: 8))
      // One buffer of the list moves onto another.
      expectOverlap { _ = try optimizer.step(parameters: [part(0), part(8)], gradients: gradients) }
      expectOverlap { _ = try optimizer.step(parameters: parameters, gradients: [gradient(8), gradient(10)]) }
      try optimizer.step(parameters: parameters, gradients: [gradient(8), nil])
      try optimizer.step(parameters: parameters, gradients: gradients)
      XCTAssertEqual(Array(memory[..<8]), [-4, -4, -4, -4, -3, -3, -3, -3])
      // A flat step binds other addresses, which the list must not be taken for.
      try optimizer.step(
        parameters: .init(rebasing: memory[..<8]), gradients: .init(rebasing: UnsafeBufferPointer(memory)[8...]))
      expectOverlap { _ = try optimizer.step(parameters: [part(2), part(4)], gradients: gradients) }
      try optimizer.step(parameters: parameters, gradients: gradients)
      XCTAssertEqual(Array(memory[..<8]), [-6, -6, -6, -6, -5, -5, -5, -5])
    }
  }

  private func expectOverlap(_ body: () throws -> Void, line: UInt = #line) {
    XCTAssertThrowsError(try body(), line: line) {
      guard case MomentumError.overlap = $0 else { return XCTFail("\($0)", line: line) }
    }
  }

  func testEveryWayToMeasureAndClipIsTheSame() throws {
    let clipping = try GradientClipping.byGlobalNorm(1)
    var vector = try ParameterVector<Double>([3.0, -4])
    XCTAssertEqual(try Gradients.norm(of: vector).norm, 5)
    XCTAssertEqual(try Gradients.norm(of: vector.span).norm, 5)
    XCTAssertEqual(try vector.withUnsafeBufferPointer { try Gradients.norm(of: $0).norm }, 5)
    XCTAssertEqual(try Gradients.clip(&vector, by: clipping).clipCoefficient, 0.2)
    XCTAssertEqual([vector[0], vector[1]], [3 * 0.2, -4 * 0.2])
    var array = [3.0, -4]
    var span = array.mutableSpan
    try Gradients.clip(&span, by: clipping)
    XCTAssertEqual(array, [3 * 0.2, -4 * 0.2])
  }
}
