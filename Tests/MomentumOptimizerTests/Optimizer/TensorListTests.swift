import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps of lists of tensors that are stored in any way.
final class TensorListTests: XCTestCase {
  private static let tensors: [(String, [Int])] = [
    ("a", [50, 50]), ("b", []), ("c", [0, 2]), ("d", [64, 64]), ("e", [7, 9]), ("f", [700]),
  ]

  private static func layout(_ order: [Int]) throws -> ParameterLayout {
    try ParameterLayout(order.map { tensors[$0] })
  }

  /// With the algorithm that gradients in half precision are always summed by.
  private static func optimizer(
    _ rule: any UpdateRule, order: [Int] = Array(0..<6), threads: Int = 1
  ) throws -> Optimizer<Float> {
    try Optimizer(
      layout(order), rule: rule, clipping: GradientClipping(value: -0.5...0.25, whole: .norm(3), algorithm: .portable),
      threads: threads)
  }

  private static func rules() throws -> [any UpdateRule] {
    let momentum = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
    return try [
      momentum, LARS(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01),
      AdaptiveGradientClipping(momentum, factor: 0.01),
    ]
  }

  // MARK: - Against vectors

  private enum Storage: CaseIterable { case copied, split, nearest, stochastic }

  /// The same steps with one buffer for each tensor, in another order of tensors, with other threads.
  func testListsAreAsVectors() throws {
    for rule in try Self.rules() {
      for storage in Storage.allCases {
        try checkList(storage, rule, Float.self)
        try checkList(storage, rule, BFloat16.self)
        #if !(os(macOS) && arch(x86_64))
          try checkList(storage, rule, Float16.self)
        #endif
      }
    }
  }

  private func checkList<Gradient: StoredScalar & RoundedGradient>(
    _ storage: Storage, _ rule: any UpdateRule, _: Gradient.Type
  ) throws where Gradient.Compute == Float {
    let (plainOrder, order) = ([0, 1, 2, 3, 4, 5], [3, 5, 0, 2, 4, 1])
    let layout = try Self.layout(plainOrder)
    var random = SeededGenerator(seed: 181)
    let start: [BFloat16] = random.halves(layout.count)
    let master = try ParameterVector(start.map(\.float))
    var vectors = try Self.optimizer(rule)
    var lists = try Self.optimizer(rule, order: order, threads: 3)
    let (expected, found) = (try Stored(master), try Stored(master))
    for step in 0..<4 {
      let what = "\(storage), \(Gradient.self), \(rule), step \(step)"
      let gradients = random.numbers(layout.count, as: Float.self).map { Gradient(rounding: $0) }
      let report = try gradients.withUnsafeBufferPointer { gradients in
        switch storage {
        case .copied:
          try vectors.step(parameters: expected.floats, copy: expected.halves, gradients: gradients)
        case .split:
          try ParameterVector.withCopy(of: gradients, layout) { gradients in
            var split = try SplitParameters(bfloat16: expected.vector(layout), remainders: .init(expected.remainders))
            let report = try vectors.step(&split, gradients: gradients)
            try expected.take(split)
            return report
          }
        case .nearest: try vectors.step(parameters: expected.halves, rounding: .nearest, gradients: gradients)
        case .stochastic:
          try vectors.step(parameters: expected.halves, rounding: .stochastic(seed: 4), gradients: gradients)
        }
      }
      let listed = try ThreadTeam.withWorthwhileCount(1) {
        try gradients.withUnsafeBufferPointer { gradients in
          try lists.step(
            parameters: order.map { index in
              let range = layout.tensors[index].range
              let halves = UnsafeMutableBufferPointer(rebasing: found.halves[range])
              return switch storage {
              case .copied: ParameterBuffer(.init(rebasing: found.floats[range]), copy: halves)
              case .split: ParameterBuffer(halves, remainders: .init(rebasing: found.remainders[range]))
              case .nearest: ParameterBuffer(halves, rounding: .nearest)
              case .stochastic: ParameterBuffer(halves, rounding: .stochastic(seed: 4))
              }
            },
            gradients: order.map {
              TensorBuffer(UnsafeBufferPointer(rebasing: gradients[layout.tensors[$0].range]))
            })
        }
      }
      XCTAssertEqual(listed, report, what)
      assertSameBits(Array(expected.floats), Array(found.floats), what)
      XCTAssertEqual(expected.halves.map(\.bitPattern), found.halves.map(\.bitPattern), what)
      XCTAssertEqual(Array(expected.remainders), Array(found.remainders), what)
    }
  }

  // MARK: - Tensors that differ

  /// Each tensor goes through the step of `Float`s, rounded once in its own way.
  func testTensorsThatAreStoredDifferently() throws {
    for rule in try Self.rules() {
      for threads in [1, 4] {
        let layout = try Self.layout(Array(0..<6))
        var random = SeededGenerator(seed: 182)
        let start: [BFloat16] = random.halves(layout.count)
        var reference = try Self.optimizer(rule)
        var optimizer = try Self.optimizer(rule, threads: threads)
        let stored = try Stored(ParameterVector(start.map(\.float)))
        for step in 0..<4 {
          let what = "\(rule), \(threads) threads, step \(step)"
          // Without half precision in a or f; d has no gradient in one step.
          let numbers: [Float] = random.numbers(layout.count)
          let halves = numbers.map { BFloat16($0) }
          var expected = try ParameterVector<Float>(layout)
          for (index, tensor) in layout.tensors.enumerated() {
            for place in tensor.range {
              expected[place] = Self.isRounded(index) ? stored.halves[place].float : stored.floats[place]
            }
          }
          let gradients = layout.tensors.enumerated().flatMap { index, tensor -> [Float] in
            tensor.range.map { Self.hasHalfGradient(index) ? halves[$0].float : numbers[$0] }
          }
          let leavesOut = step == 2
          let report = try expected.withUnsafeMutableBufferPointer { expected in
            try gradients.withUnsafeBufferPointer { gradients in
              try reference.step(
                parameters: layout.tensors.map { UnsafeMutableBufferPointer(rebasing: expected[$0.range]) },
                gradients: layout.tensors.map {
                  leavesOut && $0.name == "d" ? nil : UnsafeBufferPointer(rebasing: gradients[$0.range])
                })
            }
          }
          var listed = try numbers.withUnsafeBufferPointer { numbers in
            try halves.withUnsafeBufferPointer { halves in
              try ThreadTeam.withWorthwhileCount(1) {
                try optimizer.step(
                  parameters: layout.tensors.indices.map { stored.buffer($0, layout) },
                  gradients: layout.tensors.enumerated().map { index, tensor -> TensorBuffer? in
                    if leavesOut, tensor.name == "d" { return nil }
                    return Self.hasHalfGradient(index)
                      ? TensorBuffer(UnsafeBufferPointer(rebasing: halves[tensor.range]))
                      : TensorBuffer(UnsafeBufferPointer(rebasing: numbers[tensor.range]))
                  })
              }
            }
          }
          listed.lostUpdates = 0
          XCTAssertEqual(listed, report, what)
          stored.check(against: expected, what)
        }
        assertSameBits(reference.state().direction, optimizer.state().direction, "\(rule)")
      }
    }
  }

  fileprivate static func hasHalfGradient(_ index: Int) -> Bool { ![0, 5].contains(index) }
  fileprivate static func isRounded(_ index: Int) -> Bool { [1, 4].contains(index) }

  /// Without half precision the list is that of Floats, with the algorithm of the settings.
  func testPlainTensorsAreAsFloats() throws {
    let layout = try ParameterLayout([("w", [3, 3]), ("b", [5])])
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var random = SeededGenerator(seed: 183)
    let start: [Float] = random.numbers(14)
    var gradients: [Float] = random.numbers(14)
    var plain = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(0.5))
    var optimizer = try Optimizer<Float>(layout, rule: rule, clipping: .byGlobalNorm(0.5))
    var expected = try ParameterVector(start)
    var found = start
    let report = try plain.step(&expected, gradients: ParameterVector(gradients))
    let listed = try found.withUnsafeMutableBufferPointer { found in
      try gradients.withUnsafeMutableBufferPointer { gradients in
        try optimizer.step(
          parameters: layout.tensors.map { ParameterBuffer(UnsafeMutableBufferPointer(rebasing: found[$0.range])) },
          gradients: layout.tensors.map { TensorBuffer(UnsafeBufferPointer(rebasing: gradients[$0.range])) })
      }
    }
    XCTAssertEqual(listed, report)
    assertSameBits((0..<14).map { expected[$0] }, found)
  }

  func testPartsOfSplitParametersAreABuffer() throws {
    let layout = try ParameterLayout([("w", [70])])
    var random = SeededGenerator(seed: 184)
    let master = try ParameterVector<Float>(random.numbers(70))
    let gradients = try ParameterVector<Float>(random.numbers(70))
    let rule = try SGD(learningRate: 0.1)
    var vectors = try Optimizer<Float>(layout, rule: rule)
    var lists = try Optimizer<Float>(layout, rule: rule)
    var expected = try SplitParameters(master)
    var found = try SplitParameters(master)
    try vectors.step(&expected, gradients: gradients)
    try found.withUnsafeMutableParts { parameters, remainders in
      _ = try gradients.withUnsafeBufferPointer { gradients in
        try lists.step(
          parameters: [ParameterBuffer(parameters, remainders: remainders)], gradients: [TensorBuffer(gradients)])
      }
    }
    assertSameBits((0..<70).map { expected[$0] }, (0..<70).map { found[$0] })
  }

  /// Two owners of the tensors, each with a velocity of `BFloat16`, step as one owner of all.
  func testOwnersStepTogether() throws {
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    var random = SeededGenerator(seed: 185)
    let layout = try Self.layout(Array(0..<6))
    let (start, gradients): ([BFloat16], [BFloat16]) = (random.halves(layout.count), random.halves(layout.count))
    let parts = [[3, 0, 5], [1, 2, 4]]
    /// The parameters of some tensors after three steps, in the order of the layout, and the reports.
    @Sendable func run(
      _ tensors: [Int], _ exchange: (any NormExchange)?
    ) throws(MomentumError) -> (bits: [Int: [UInt16]], reports: [StepReport]) {
      let part = try ParameterLayout(tensors.map { Self.tensors[$0] })
      var optimizer = try Optimizer<Float>(
        part, rule: rule, clipping: .byGlobalNorm(3), velocityType: .bfloat16, threads: 1)
      var reports: [StepReport] = []
      func memory(_ elements: [BFloat16]) -> [UnsafeMutableBufferPointer<BFloat16>] {
        tensors.map { index in
          let range = layout.tensors[index].range
          let buffer = UnsafeMutableBufferPointer<BFloat16>.allocate(capacity: range.count)
          _ = buffer.initialize(from: elements[range])
          return buffer
        }
      }
      let (own, given) = (memory(start), memory(gradients))
      defer { for buffer in own + given { buffer.deallocate() } }
      for step in 0..<3 {
        let parameters = zip(tensors, own).map { index, buffer in
          ParameterBuffer(buffer, rounding: index % 2 == 0 ? .stochastic(seed: 3) : .nearest)
        }
        // One tensor has no gradient in one step.
        let buffers = zip(tensors, given).map { index, buffer in
          index == 4 && step == 1 ? nil : TensorBuffer(UnsafeBufferPointer(buffer))
        }
        if let exchange {
          reports.append(try optimizer.step(parameters: parameters, gradients: buffers, exchange: exchange))
        } else {
          reports.append(try optimizer.step(parameters: parameters, gradients: buffers))
        }
      }
      let bits = zip(tensors, own).map { ($0, $1.map(\.bitPattern)) }
      return (Dictionary(uniqueKeysWithValues: bits), reports)
    }
    let expected = try run(Array(0..<6), nil)
    let found = try ThreadExchange.run(owners: parts.count) { number, exchange throws(MomentumError) in
      try run(parts[number], exchange)
    }
    for owner in found {
      XCTAssertEqual(owner.reports.map(\.totalNorm), expected.reports.map(\.totalNorm))
      XCTAssertEqual(owner.reports.map(\.clipCoefficient), expected.reports.map(\.clipCoefficient))
      for (tensor, bits) in owner.bits { XCTAssertEqual(bits, expected.bits[tensor], "tensor \(tensor)") }
    }
  }

  // MARK: - Refusals

  func testRefusals() throws {
    let layout = try ParameterLayout([("w", [4]), ("b", [2])])
    var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 1), nonFinitePolicy: .propagate)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 8)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: 256)
    func at<Element>(_ byte: Int, _ count: Int, _: Element.Type = Element.self) -> UnsafeMutableBufferPointer<Element> {
      let start = (memory + byte).assumingMemoryBound(to: Element.self)
      return UnsafeMutableBufferPointer(start: start, count: count)
    }
    func gradient<Element: StoredScalar>(_ byte: Int, _ count: Int, _: Element.Type) -> TensorBuffer {
      TensorBuffer(UnsafeBufferPointer(at(byte, count, Element.self)))
    }
    let (w, b) = (ParameterBuffer(at(0, 4, BFloat16.self), rounding: .nearest), ParameterBuffer(at(8, 2, Float.self)))
    let (wGradient, bGradient) = (gradient(128, 4, BFloat16.self), gradient(136, 2, Float.self))
    func check(
      _ parameters: [ParameterBuffer], _ gradients: [TensorBuffer?], _ expected: String, line: UInt = #line
    ) {
      XCTAssertThrowsError(try optimizer.step(parameters: parameters, gradients: gradients), line: line) {
        XCTAssertEqual("\($0)", expected, line: line)
      }
    }
    // Bound once, so that what follows is not refused because it is new.
    try optimizer.step(parameters: [w, b], gradients: [wGradient, bGradient])

    check([w], [wGradient, bGradient], "\(Self.mismatch("list of parameters", 1, 2))")
    check([w, b], [wGradient], "\(Self.mismatch("list of gradients", 1, 2))")
    check([b, b], [wGradient, bGradient], "\(Self.mismatch("parameters of tensor 'w'", 2, 4))")
    check([w, b], [wGradient, wGradient], "\(Self.mismatch("gradient of tensor 'b'", 4, 2))")
    let copied = ParameterBuffer(at(16, 4, Float.self), copy: at(64, 3, BFloat16.self))
    check([copied, b], [nil, nil], "\(Self.mismatch("copy of tensor 'w'", 3, 4))")
    let split = ParameterBuffer(at(16, 4, BFloat16.self), remainders: at(64, 5))
    check([split, b], [nil, nil], "\(Self.mismatch("remainders of tensor 'w'", 5, 4))")
    check(
      [w, b], [wGradient, gradient(200, 2, Double.self)],
      "element type of the gradient of tensor 'b' is float64; expected float32, bfloat16 or float16")

    func overlap(_ first: String, _ second: String) -> String {
      "\(MomentumError.overlap(first: first, second: second))"
    }
    check(
      [ParameterBuffer(at(0, 4), remainders: at(6, 4)), b], [nil, nil],
      overlap("parameters of tensor 'w'", "remainders of tensor 'w'"))
    check(
      [ParameterBuffer(at(16, 4), copy: at(8, 4, BFloat16.self)), b], [nil, nil],
      overlap("copy of tensor 'w'", "parameters of tensor 'b'"))
    check(
      [w, b], [wGradient, gradient(134, 2, BFloat16.self)],
      overlap("gradient of tensor 'w'", "gradient of tensor 'b'"))
    // The addresses of the step before, and longer elements.
    check(
      [ParameterBuffer(at(0, 4, Float.self)), b], [wGradient, bGradient],
      overlap("parameters of tensor 'w'", "parameters of tensor 'b'"))
    XCTAssertEqual(optimizer.stepCount, 1)
    optimizer.mode = .onePass
    check(
      [w, b], [wGradient, bGradient],
      "mode is onePass; expected twoPass with parameters that are rounded to half precision")
    XCTAssertEqual(optimizer.stepCount, 1)
    XCTAssertTrue(UnsafeRawBufferPointer(start: memory, count: 256).allSatisfy { $0 == 0 })
  }

  private static func mismatch(_ what: String, _ count: Int, _ expected: Int) -> MomentumError {
    .countMismatch(what: what, count: count, expected: expected)
  }
}

/// Parameters in every storage, in memory of a test.
private final class Stored {
  let floats: UnsafeMutableBufferPointer<Float>
  let halves: UnsafeMutableBufferPointer<BFloat16>
  let remainders: UnsafeMutableBufferPointer<Int16>

  init(_ master: borrowing ParameterVector<Float>) throws {
    (floats, halves, remainders) = (
      .allocate(capacity: master.count), .allocate(capacity: master.count), .allocate(capacity: master.count)
    )
    remainders.initialize(repeating: 0)
    for index in 0..<master.count {
      floats.initializeElement(at: index, to: master[index])
      halves.initializeElement(at: index, to: BFloat16(master[index]))
    }
  }

  deinit {
    floats.deallocate()
    halves.deallocate()
    remainders.deallocate()
  }

  func vector(_ layout: ParameterLayout) throws -> ParameterVector<BFloat16> {
    var vector = try ParameterVector<BFloat16>(layout)
    for index in 0..<layout.count { vector[index] = halves[index] }
    return vector
  }

  func take(_ split: borrowing SplitParameters) throws {
    for index in 0..<split.count { halves[index] = split.bfloat16[index] }
    split.withUnsafeRemainders { _ = remainders.update(fromContentsOf: $0) }
  }

  /// One way for each tensor: two with a copy, two rounded, one split, one of Floats alone.
  func buffer(_ index: Int, _ layout: ParameterLayout) -> ParameterBuffer {
    let range = layout.tensors[index].range
    let (floats, halves) = (
      UnsafeMutableBufferPointer(rebasing: floats[range]), UnsafeMutableBufferPointer(rebasing: halves[range])
    )
    switch index {
    case 0, 2: return ParameterBuffer(floats, copy: halves)
    case 3: return ParameterBuffer(halves, remainders: UnsafeMutableBufferPointer(rebasing: remainders[range]))
    case 5: return ParameterBuffer(floats)
    default: return ParameterBuffer(halves, rounding: .nearest)
    }
  }

  /// Compares with masters of ``buffer(_:_:)``, and takes the split ones for the next step.
  func check(against expected: borrowing ParameterVector<Float>, _ what: String) {
    for (index, tensor) in expected.layout.tensors.enumerated() {
      let numbers = tensor.range.map { expected[$0] }
      let found = tensor.range.map { floats[$0] }
      let bits = tensor.range.map { halves[$0].bitPattern }
      if index != 3, !TensorListTests.isRounded(index) { assertSameBits(numbers, found, "\(what), '\(tensor.name)'") }
      if index == 3 {
        let joined = tensor.range.map {
          Float(bitPattern: UInt32(halves[$0].bitPattern) << 16 &+ UInt32(bitPattern: Int32(remainders[$0])))
        }
        assertSameBits(numbers, joined, what)
        for place in tensor.range { floats[place] = expected[place] }
      } else if index != 5 {
        XCTAssertEqual(bits, numbers.map { HalfOracle.bits($0, .bfloat16) }, "\(what), '\(tensor.name)'")
      }
    }
  }
}

/// An element type of gradients that a test rounds to.
private protocol RoundedGradient {
  init(rounding value: Float)
}

extension Float: RoundedGradient {
  fileprivate init(rounding value: Float) { self = value }
}

extension BFloat16: RoundedGradient {
  fileprivate init(rounding value: Float) { self.init(value) }
}

#if !(os(macOS) && arch(x86_64))
  extension Float16: RoundedGradient {
    fileprivate init(rounding value: Float) { self.init(value) }
  }
#endif

extension ParameterVector {
  /// Calls `body` with a vector of some elements.
  fileprivate static func withCopy<R>(
    of elements: UnsafeBufferPointer<Scalar>, _ layout: ParameterLayout,
    _ body: (borrowing ParameterVector) throws -> R
  ) throws -> R {
    let vector = try ParameterVector(layout)
    _ = UnsafeMutableBufferPointer(start: vector.base, count: vector.count).update(fromContentsOf: elements)
    return try body(vector)
  }
}
