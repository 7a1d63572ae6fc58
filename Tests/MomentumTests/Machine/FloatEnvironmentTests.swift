import CMomentumKernels
import MomentumTestSupport
import XCTest

@testable import Momentum

/// A host that rounds, flushes or traps in its own way gets the same bits as any other, and finds its settings as it left
/// them.
final class FloatEnvironmentTests: XCTestCase {
  /// Values of the register that controls the arithmetic of a thread.
  #if arch(x86_64)
    private static let environments: [(name: String, register: UInt64)] = [
      ("flush to zero", 0x9FC0), ("upwards", 0x5F80), ("downwards", 0x3F80), ("towards zero", 0x7F80),
    ]
  #else
    private static let environments: [(name: String, register: UInt64)] = [
      ("flush to zero", 1 << 24), ("upwards", 1 << 22), ("downwards", 2 << 22), ("towards zero", 3 << 22),
    ]
  #endif

  func testBitsDependOnNoEnvironmentFloat() throws { try compare(Float.self) }
  func testBitsDependOnNoEnvironmentDouble() throws { try compare(Double.self) }

  private func compare<S: BLASScalar>(_: S.Type) throws {
    let work = try Work<S>()
    let expected = try work.bits(threads: 1, register: nil)
    for (name, register) in Self.environments {
      for threads in [1, 2, 3] {
        for _ in 0..<4 {
          let bits = try work.bits(threads: threads, register: register)
          XCTAssertEqual(bits, expected, "\(name), \(threads) threads")
          guard bits == expected else { return }
        }
      }
    }
  }

  func testAHostThatTrapsIsNotEndedByNaN() throws {
    #if arch(x86_64)
      let values: [Float] = [1, .nan, .infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
      let all = Array(repeating: values, count: 1000).flatMap { $0 }
      momentum_set_float_register(0x1F80 & ~0x680)  // invalid operation, overflow, division by zero trap
      let report = Result { try Gradients.norm(of: all.span) }
      let after = momentum_float_register()
      momentum_set_default_float_register()
      XCTAssertEqual(try report.get().nanCount, 1000)
      XCTAssertEqual(after & ~0x3F, 0x1F80 & ~0x680)
    #endif
  }
}

/// Calls of every kind that computes, on data with subnormal numbers and with digits that every rounding mode shows.
private struct Work<S: BLASScalar> {
  private let layout: ParameterLayout
  private let gradients, parameters: [S]

  init() throws {
    layout = try ParameterLayout([("large", [50_000]), ("units", [40, 30]), ("tiny", [3000])])
    var random = SeededGenerator(seed: 7)
    var gradients: [S] = random.numbers(layout.count)
    for index in layout.tensors[2].range { gradients[index] *= S.leastNormalMagnitude / 4 }
    self.gradients = gradients
    parameters = random.numbers(layout.count)
  }

  /// The bits of all results, computed while the register of the calling thread has a value of the host's.
  func bits(threads: Int, register: UInt64?) throws -> [UInt64] {
    try ThreadTeam.withWorthwhileCount(1000) {
      let rule = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 1e-3)
      let clipping = try GradientClipping(tensor: .unitNorm(0.7, .firstAxis), whole: .norm(11))
      var optimizer = try Optimizer<S>(
        layout, rule: rule, clipping: clipping, averaging: .exponential(decay: 0.9), threads: threads)
      var accumulator = try GradientAccumulator<S>(layout, threads: threads)
      var (p, g, q) = (parameters, gradients, gradients)
      let tiny = gradients[layout.tensors[2].range]
      let per = try PerExampleClipping(norm: 0.3, scope: .example)
      var average = Array(repeating: S(0), count: 30)
      var numbers: [Double] = []

      func call<R>(_ body: () throws -> R) rethrows -> R {
        if let register { momentum_set_float_register(register) }
        defer {
          if let register {
            XCTAssertEqual(momentum_float_register() & ~statusFlags, register, "the host's environment")
            momentum_set_default_float_register()
          }
        }
        return try body()
      }
      for type in [NormType.l1, .l2, .infinity, .p(3)] {
        numbers.append(try call { try Gradients.norm(of: gradients.span, type: type, threads: threads) }.norm)
        numbers.append(try call { try Gradients.norm(of: Array(tiny).span, type: type, threads: threads) }.norm)
      }
      for _ in 0..<3 {
        let report = try p.withUnsafeMutableBufferPointer { p in
          try g.withUnsafeBufferPointer { g in try call { try optimizer.step(parameters: p, gradients: g) } }
        }
        numbers += [report.totalNorm!, report.clipCoefficient]
        try g.withUnsafeBufferPointer { g in try call { try accumulator.add(g) } }
      }
      try p.withUnsafeMutableBufferPointer { p in
        _ = try call { try optimizer.step(parameters: p, gradients: &accumulator) }
      }
      call { optimizer.foldVelocity() }
      let (velocity, averaged) = (optimizer.state().direction, optimizer.state().average)
      try q.withUnsafeMutableBufferPointer { q in
        _ = try call { try Gradients.clip([q], byGlobalNorm: 1.1, givenNorm: 3.3, threads: threads) }
        let report = try call { try Gradients.clip([q], by: .byGlobalNorm(0.37), threads: threads) }
        numbers.append(report.clipCoefficient)
      }
      try g.withUnsafeBufferPointer { g in
        try average.withUnsafeMutableBufferPointer { average in
          let examples = BLAS.Matrix(g.baseAddress! + 50_000, rows: 40, columns: 30)
          _ = try call { try per.average(examples, into: average, threads: threads) }
        }
      }
      return numbers.map(\.bitPattern)
        + [p, velocity, averaged, q, average].flatMap { $0.map { Double($0).bitPattern } }
    }
  }
}

/// The flags in the register, which arithmetic sets.
#if arch(x86_64)
  private let statusFlags: UInt64 = 0x3F
#else
  private let statusFlags: UInt64 = 0
#endif
