import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps on vectors in half precision have the same bits tile by tile, as calls of BLAS, and as fused loops.
final class HalfStepKernelsTests: XCTestCase {
  fileprivate enum Kept: CaseIterable { case floats, bfloat16Copy, float16Copy, split, nearest, stochastic }

  fileprivate static let gradientTypes: [ElementType] = ElementType.allCases.filter { $0 != .float64 }

  private static let velocities: [(ElementType?, OverflowPolicy)] = [
    (nil, .infinity), (.bfloat16, .infinity), (nil, .saturate), (.bfloat16, .saturate),
  ]

  /// All ways to keep vectors, with rules whose programs have a loop and one whose program has none.
  func testBothWaysGiveTheSameBits() throws {
    let input = try Input([1337, 19], shift: 3)
    let rules: [any UpdateRule] = try [
      SGD(learningRate: 0.05, momentum: 0.9),
      SGD(learningRate: 0.05, momentum: 0.9, nesterov: true),
      SGD(learningRate: 0.05, momentum: 0.9, weightDecay: 0.01, decoupledWeightDecay: true),
      // Has no loop.
      SGD(learningRate: 0.05, momentum: 0.9, weightDecay: 0.01),
    ]
    var fused = Set<String>()
    for (number, rule) in rules.enumerated() {
      for gradient in Self.gradientTypes {
        for kept in Kept.allCases {
          for (velocity, overflow) in Self.velocities {
            let found = try compare(input, rule, gradient, velocity, overflow, kept)
            if found { fused.insert("\(number) \(gradient) \(velocity != nil) \(kept)") }
          }
        }
      }
    }
    guard StepKernels.vectors != nil, BLASTraits.axpyFuses else { return XCTAssertEqual(fused, []) }
    XCTAssertTrue(fused.contains("0 bfloat16 false stochastic"), "\(fused.sorted())")
    XCTAssertTrue(fused.contains("1 float16 false floats"))
    XCTAssertTrue(fused.contains("2 bfloat16 true split"))
    XCTAssertFalse(fused.contains { $0.hasPrefix("3 bfloat16") })
  }

  /// Every number of elements that the widest vectors leave over, at several places in memory.
  func testBothWaysGiveTheSameBitsAtEveryLength() throws {
    let inputs = try [0, 1, 6].map { try Input(Array(0...48), shift: $0) }
    try compareAll(inputs)
  }

  /// Vectors of several tiles, in the shares of three threads.
  func testBothWaysGiveTheSameBitsOnLongVectors() throws {
    try compareAll([Input([4196, 1, 3001], shift: 1, threads: 3)])
  }

  /// Vectors that are stored in one way take another way than lists, which may be stored in several. The ways to store them
  /// follow one another in one optimizer, and so do the kernels.
  func testVectorsHaveTheBitsOfLists() throws {
    let input = try Input([1337, 19, 2048], shift: 3)
    let kinds: [Kept] = [.floats, .bfloat16Copy, .floats, .float16Copy]
    for velocity in [ElementType?.none, .bfloat16] {
      for nesterov in [false, true] {
        let rule = try SGD(learningRate: 0.05, momentum: 0.9, nesterov: nesterov)
        for rounded in [false, true] {
          let bits = try [false, true].map { asVectors in
            let memory = Memory(input)
            var optimizer = try Optimizer<Float>(
              input.layout, rule: rule, nonFinitePolicy: .propagate, velocityType: velocity)
            var (bits, fused): ([[UInt8]], Int) = ([], 0)
            for (number, kernels) in [StepKernels.fused, .fused, .blas, .automatic, .fused, .fused].enumerated() {
              optimizer.kernels = kernels
              for kept in rounded ? [.nearest, .stochastic, .nearest] : kinds {
                for type in Self.gradientTypes where !rounded || type != .float32 {
                  let stored = input.gradients[type]![number % 2 * 2]
                  let report =
                    asVectors
                    ? try memory.stepVectors(&optimizer, kept, stored)
                    : try stored.withTensors(input.layout) {
                      try optimizer.step(parameters: memory.buffers(kept), gradients: $0)
                    }
                  if optimizer.lastStepWasFused, type != .float32 { fused += 1 }
                  bits.append(Array("\(report.lostUpdates) \(report.clip.overflowedElements)".utf8))
                }
              }
            }
            XCTAssertEqual(fused > 0, StepKernels.vectors != nil && BLASTraits.axpyFuses)
            return bits + [
              canonical(memory.wide.all), memory.narrow.bytes, memory.copies.bytes,
              canonical(optimizer.state().direction),
            ]
          }
          XCTAssertEqual(bits[0], bits[1], "\(rule), velocity \(velocity ?? .float32), rounded \(rounded)")
        }
      }
    }
  }

  /// Compares steps of all ways to keep vectors, on some input each.
  private func compareAll(_ inputs: [Input]) throws {
    let rule = try SGD(learningRate: 0.05, momentum: 0.9, nesterov: true)
    var (number, fused) = (0, 0)
    for gradient in Self.gradientTypes {
      for kept in Kept.allCases {
        for (velocity, overflow) in Self.velocities {
          let wasFused = try compare(inputs[number % inputs.count], rule, gradient, velocity, overflow, kept)
          fused += wasFused ? 1 : 0
          number += 1
        }
      }
    }
    if StepKernels.vectors != nil, BLASTraits.axpyFuses { XCTAssertGreaterThan(fused, 10) }
  }

  // MARK: Steps

  /// Takes steps both ways.
  ///
  /// - Returns: Whether loops ran.
  private func compare(
    _ input: Input, _ rule: any UpdateRule, _ gradient: ElementType, _ velocity: ElementType?,
    _ overflow: OverflowPolicy, _ kept: Kept
  ) throws -> Bool {
    let what = "\(rule), gradient \(gradient), velocity \(velocity ?? .float32), \(overflow), parameters \(kept)"
    let (expected, found) = try ThreadTeam.withWorthwhileCount(1) {
      (
        try results(input, rule, gradient, velocity, overflow, kept, .blas),
        try results(input, rule, gradient, velocity, overflow, kept, .fused)
      )
    }
    XCTAssertFalse(expected.wasFused && gradient != .float32, what)
    XCTAssertEqual(expected.bits, found.bits, what)
    XCTAssertEqual(expected.overflowed, found.overflowed, what)
    XCTAssertEqual(expected.lost, found.lost, what)
    return found.wasFused
  }

  private struct Result {
    var bits: [[UInt8]] = []
    var overflowed: [Int] = [], lost: [Int] = []
    var wasFused = false
  }

  /// Takes a few steps. The bits are those around the vectors, too.
  private func results(
    _ input: Input, _ rule: any UpdateRule, _ gradientType: ElementType, _ velocityType: ElementType?,
    _ overflowPolicy: OverflowPolicy, _ kept: Kept, _ kernels: StepKernels
  ) throws -> Result {
    let layout = input.layout
    var optimizer = try Optimizer<Float>(
      layout, rule: rule, nonFinitePolicy: .propagate, velocityType: velocityType, threads: input.threads)
    (optimizer.kernels, optimizer.overflowPolicy) = (kernels, overflowPolicy)
    let memory = Memory(input)
    let buffers = memory.buffers(kept)
    var result = Result()
    for stored in input.gradients[gradientType]! {
      let report = try stored.withTensors(layout) { try optimizer.step(parameters: buffers, gradients: $0) }
      result.overflowed.append(report.clip.overflowedElements)
      result.lost.append(report.lostUpdates)
    }
    result.wasFused = optimizer.lastStepWasFused
    let hasHalves = Kept.allCases.firstIndex(of: kept)! >= 3
    result.bits = [
      hasHalves ? [] : canonical(memory.wide.all), memory.narrow.bytes, memory.remainders.bytes, memory.copies.bytes,
      canonical(optimizer.state().direction),
    ]
    return result
  }

  /// The bytes of numbers; a NaN is one, whatever its payload.
  private func canonical(_ numbers: [Float]) -> [UInt8] {
    numbers.map { $0.isNaN ? Float.nan : $0 }.withUnsafeBytes { Array($0) }
  }
}

/// Tensors, and what goes into three steps of them: elements of all sizes, and some of them none.
private struct Input {
  let layout: ParameterLayout
  let threads: Int
  /// How far from their usual place in memory vectors begin, in elements.
  let shift: Int
  let parameters: [Float]
  let narrow: [BFloat16]
  let remainders: [Int16]
  private(set) var gradients: [ElementType: [HalfBytes]] = [:]

  init(_ counts: [Int], shift: Int, threads: Int = 1) throws {
    layout = try ParameterLayout(counts.enumerated().map { ("t\($0)", [$1]) })
    (self.shift, self.threads) = (shift, threads)
    var random = SeededGenerator(seed: 5)
    var parameters: [Float] = random.numbers(layout.count, exponents: -20...2)
    parameters.replaceSubrange(3..<7, with: [.nan, .infinity, 3.4e38, -65_510])
    // Parameters that no step moves, if they are rounded to nearest.
    for index in 100..<200 { parameters[index] = 256 }
    self.parameters = parameters
    narrow = parameters.map { BFloat16($0) }
    remainders = (0..<layout.count).map { _ in Int16(truncatingIfNeeded: random.next()) }
    for step in 0..<3 {
      var gradient: [Float] = random.numbers(layout.count, exponents: -30...3)
      if step == 1 { gradient.replaceSubrange(9..<13, with: [.nan, -.infinity, 60_000, 1e-7]) }
      for index in 100..<200 { gradient[index] = 0.01 }
      for type in HalfStepKernelsTests.gradientTypes {
        gradients[type, default: []].append(HalfBytes(gradient, type, shift: shift))
      }
    }
  }
}

/// Elements some way behind the start of memory, with others on both sides that no step may write.
private final class FencedVector<Element> {
  private let memory: UnsafeMutableBufferPointer<Element>
  private let inside: Range<Int>

  init(_ elements: [Element], shift: Int, fence: Element) {
    memory = .allocate(capacity: shift + elements.count + 64)
    memory.initialize(repeating: fence)
    inside = shift..<shift + elements.count
    _ = memory[inside].update(fromContentsOf: elements)
  }

  deinit { memory.deallocate() }

  subscript(range: Range<Int>) -> UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: memory.baseAddress! + inside.lowerBound + range.lowerBound, count: range.count)
  }

  /// The same elements as those of a type of the same size.
  func bound<Other>(to type: Other.Type, _ range: Range<Int>) -> UnsafeMutableBufferPointer<Other> {
    UnsafeMutableRawBufferPointer(self[range]).bindMemory(to: type)
  }

  /// With the fences.
  var all: [Element] { Array(memory) }
  var bytes: [UInt8] { Array(UnsafeRawBufferPointer(memory)) }
}

/// Numbers in one of the types.
private struct HalfBytes {
  private let bytes: [UInt8]
  private let type: ElementType
  private let shift: Int

  init(_ numbers: [Float], _ type: ElementType, shift: Int) {
    (self.type, self.shift) = (type, shift)
    let numbers = [Float](repeating: 0, count: shift) + numbers
    switch type {
    case .bfloat16: bytes = numbers.map { BFloat16($0) }.withUnsafeBytes { Array($0) }
    case .float16:
      var narrow = [UInt16](repeating: 0, count: numbers.count)
      narrow.withUnsafeMutableBytes { HalfLoops.narrow(numbers, into: $0.baseAddress!, .float16, numbers.count) }
      bytes = narrow.withUnsafeBytes { Array($0) }
    default: bytes = numbers.withUnsafeBytes { Array($0) }
    }
  }

  func withTensors<R>(_ layout: ParameterLayout, _ body: ([TensorBuffer?]) throws -> R) rethrows -> R {
    try bytes.withUnsafeBytes { bytes in
      try body(
        layout.tensors.map {
          TensorBuffer(
            base: bytes.baseAddress! + (shift + $0.offset) * type.byteCount, count: $0.count, elementType: type)
        })
    }
  }
}

/// Vectors of a model, and steps on them.
private final class Memory {
  let wide: FencedVector<Float>
  let narrow: FencedVector<BFloat16>
  let remainders: FencedVector<Int16>
  let copies: FencedVector<UInt16>
  private let layout: ParameterLayout

  init(_ input: Input) {
    layout = input.layout
    wide = FencedVector(input.parameters, shift: input.shift, fence: 42)
    narrow = FencedVector(input.narrow, shift: 3 * input.shift, fence: 42)
    remainders = FencedVector(input.remainders, shift: 5 * input.shift, fence: 42)
    copies = FencedVector([UInt16](repeating: 0, count: layout.count), shift: 7 * input.shift, fence: 42)
  }

  func buffers(_ kept: HalfStepKernelsTests.Kept) -> [ParameterBuffer] {
    layout.tensors.map { tensor in
      let (floats, halves) = (wide[tensor.range], narrow[tensor.range])
      switch kept {
      case .bfloat16Copy: return ParameterBuffer(floats, copy: copies.bound(to: BFloat16.self, tensor.range))
      case .float16Copy:
        #if !(os(macOS) && arch(x86_64))
          return ParameterBuffer(floats, copy: copies.bound(to: Float16.self, tensor.range))
        #else
          return ParameterBuffer(floats)
        #endif
      case .nearest: return ParameterBuffer(halves, rounding: .nearest)
      case .stochastic: return ParameterBuffer(halves, rounding: .stochastic(seed: 7))
      case .floats: return ParameterBuffer(floats)
      case .split: return ParameterBuffer(halves, remainders: remainders[tensor.range])
      }
    }
  }

  /// Takes a step on whole vectors.
  func stepVectors(
    _ optimizer: inout Optimizer<Float>, _ kept: HalfStepKernelsTests.Kept, _ stored: HalfBytes
  ) throws -> StepReport {
    try stored.withTensors(layout) { tensors in
      let (base, count) = (tensors[0]!.base!, layout.count)
      switch tensors[0]!.elementType {
      case .bfloat16:
        let gradients = UnsafeBufferPointer(start: base.assumingMemoryBound(to: BFloat16.self), count: count)
        if kept == .floats { return try optimizer.step(parameters: wide[0..<count], gradients: gradients) }
        return try step(&optimizer, kept, gradients)
      case .float16:
        #if !(os(macOS) && arch(x86_64))
          let gradients = UnsafeBufferPointer(start: base.assumingMemoryBound(to: Float16.self), count: count)
          if kept == .floats { return try optimizer.step(parameters: wide[0..<count], gradients: gradients) }
          return try step(&optimizer, kept, gradients)
        #else
          preconditionFailure("there is no Float16")
        #endif
      default:
        let gradients = UnsafeBufferPointer(start: base.assumingMemoryBound(to: Float.self), count: count)
        if kept == .floats { return try optimizer.step(parameters: wide[0..<count], gradients: gradients) }
        return try step(&optimizer, kept, gradients)
      }
    }
  }

  private func step<Gradient: StoredScalar>(
    _ optimizer: inout Optimizer<Float>, _ kept: HalfStepKernelsTests.Kept, _ gradients: UnsafeBufferPointer<Gradient>
  ) throws -> StepReport where Gradient.Compute == Float {
    let all = 0..<layout.count
    switch kept {
    case .bfloat16Copy:
      return try optimizer.step(
        parameters: wide[all], copy: copies.bound(to: BFloat16.self, all), gradients: gradients)
    case .nearest: return try optimizer.step(parameters: narrow[all], rounding: .nearest, gradients: gradients)
    case .stochastic:
      return try optimizer.step(parameters: narrow[all], rounding: .stochastic(seed: 7), gradients: gradients)
    default:
      #if !(os(macOS) && arch(x86_64))
        return try optimizer.step(
          parameters: wide[all], copy: copies.bound(to: Float16.self, all), gradients: gradients)
      #else
        preconditionFailure("there is no Float16")
      #endif
    }
  }
}
