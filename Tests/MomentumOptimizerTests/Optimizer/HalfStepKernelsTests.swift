import MomentumTestSupport
import XCTest

@testable import Momentum

/// Steps on vectors in half precision have the same bits tile by tile, as calls of BLAS, and as fused loops.
final class HalfStepKernelsTests: XCTestCase {
  private enum Kept: CaseIterable { case floats, bfloat16Copy, float16Copy, split, nearest, stochastic }

  private static let gradientTypes: [ElementType] = ElementType.allCases.filter { $0 != .float64 }

  private static let velocities: [(ElementType?, OverflowPolicy)] = [
    (nil, .infinity), (.bfloat16, .infinity), (nil, .saturate), (.bfloat16, .saturate),
  ]

  func testBothWaysGiveTheSameBits() throws {
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
            let what =
              "\(rule), gradient \(gradient), velocity \(velocity ?? .float32), \(overflow), parameters \(kept)"
            let expected = try results(rule, gradient, velocity, overflow, kept, .blas)
            let found = try results(rule, gradient, velocity, overflow, kept, .fused)
            XCTAssertFalse(expected.wasFused && gradient != .float32, what)
            XCTAssertEqual(expected.bits, found.bits, what)
            XCTAssertEqual(expected.overflowed, found.overflowed, what)
            XCTAssertEqual(expected.lost, found.lost, what)
            if found.wasFused { fused.insert("\(number) \(gradient) \(velocity != nil) \(kept)") }
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

  private struct Result {
    var bits: [[UInt8]] = []
    var overflowed: [Int] = [], lost: [Int] = []
    var wasFused = false
  }

  /// Takes a few steps of two tensors, whose elements have all sizes, and some of them none.
  private func results(
    _ rule: any UpdateRule, _ gradientType: ElementType, _ velocityType: ElementType?,
    _ overflowPolicy: OverflowPolicy, _ kept: Kept, _ kernels: StepKernels
  ) throws -> Result {
    let layout = try ParameterLayout([("a", [1337]), ("b", [19])])
    var random = SeededGenerator(seed: 5)
    var optimizer = try Optimizer<Float>(
      layout, rule: rule, nonFinitePolicy: .propagate, velocityType: velocityType, threads: 1)
    (optimizer.kernels, optimizer.overflowPolicy) = (kernels, overflowPolicy)
    var parameters: [Float] = random.numbers(layout.count, exponents: -20...2)
    parameters.replaceSubrange(3..<7, with: [.nan, .infinity, 3.4e38, -65_510])
    // Parameters that no step moves, if they are rounded to nearest.
    for index in 100..<200 { parameters[index] = 256 }
    let halves = Kept.allCases.firstIndex(of: kept)! >= 3
    var wide = parameters
    var narrow = parameters.map { BFloat16($0) }
    var remainders = [Int16](repeating: 0, count: layout.count)
    for index in remainders.indices { remainders[index] = Int16(truncatingIfNeeded: random.next()) }
    var copies = [UInt16](repeating: 0, count: layout.count)

    var result = Result()
    for step in 0..<3 {
      var gradient: [Float] = random.numbers(layout.count, exponents: -30...3)
      if step == 1 { gradient.replaceSubrange(9..<13, with: [.nan, -.infinity, 60_000, 1e-7]) }
      for index in 100..<200 { gradient[index] = 0.01 }
      let stored = HalfBytes(gradient, gradientType)
      try wide.withUnsafeMutableBufferPointer { wide in
        try narrow.withUnsafeMutableBufferPointer { narrow in
          try remainders.withUnsafeMutableBufferPointer { remainders in
            try copies.withUnsafeMutableBytes { copies in
              let buffers = layout.tensors.map { tensor -> ParameterBuffer in
                let range = tensor.range
                switch kept {
                case .floats: return ParameterBuffer(.init(rebasing: wide[range]))
                case .bfloat16Copy:
                  let copy = copies.bindMemory(to: BFloat16.self)
                  return ParameterBuffer(.init(rebasing: wide[range]), copy: .init(rebasing: copy[range]))
                case .float16Copy:
                  #if !(os(macOS) && arch(x86_64))
                    let copy = copies.bindMemory(to: Float16.self)
                    return ParameterBuffer(.init(rebasing: wide[range]), copy: .init(rebasing: copy[range]))
                  #else
                    return ParameterBuffer(.init(rebasing: wide[range]))
                  #endif
                case .split:
                  return ParameterBuffer(.init(rebasing: narrow[range]), remainders: .init(rebasing: remainders[range]))
                case .nearest: return ParameterBuffer(.init(rebasing: narrow[range]), rounding: .nearest)
                case .stochastic:
                  return ParameterBuffer(.init(rebasing: narrow[range]), rounding: .stochastic(seed: 7))
                }
              }
              let report = try stored.withTensors(layout) { try optimizer.step(parameters: buffers, gradients: $0) }
              result.overflowed.append(report.clip.overflowedElements)
              result.lost.append(report.lostUpdates)
            }
          }
        }
      }
    }
    result.wasFused = optimizer.lastStepWasFused
    // A NaN is one, whatever its payload.
    let canonical = wide.map { $0.isNaN ? Float.nan : $0 }
    result.bits = [
      halves ? [] : canonical.withUnsafeBytes { Array($0) }, narrow.withUnsafeBytes { Array($0) },
      remainders.withUnsafeBytes { Array($0) }, copies.withUnsafeBytes { Array($0) },
      optimizer.state().direction.map { $0.isNaN ? Float.nan : $0 }.withUnsafeBytes { Array($0) },
    ]
    return result
  }
}

/// Numbers in one of the types.
private struct HalfBytes {
  private let bytes: [UInt8]
  private let type: ElementType

  init(_ numbers: [Float], _ type: ElementType) {
    self.type = type
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
            base: bytes.baseAddress! + $0.offset * type.byteCount, count: $0.count, elementType: type)
        })
    }
  }
}
