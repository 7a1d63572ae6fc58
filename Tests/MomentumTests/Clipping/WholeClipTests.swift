import Momentum
import MomentumTestSupport
import XCTest

/// The clip by the norm of all tensors together has a way of its own; a limit of each tensor that nothing exceeds takes it
/// through the way of all other clips.
final class WholeClipTests: XCTestCase {
  func testBothWaysHaveTheSameBitsFloat() throws { try bothWaysHaveTheSameBits(Float.self) }
  func testBothWaysHaveTheSameBitsDouble() throws { try bothWaysHaveTheSameBits(Double.self) }

  private func bothWaysHaveTheSameBits<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 83)
    var (clipped, kept) = (0, 0)
    let largest = Int(S.greatestFiniteMagnitude.exponent)
    for round in 0..<63 {
      let counts =
        [[1], [64], [2048], [9000], [70_000], [0, 5, 4097], [3000, 1, 60_000, 0, 8193]][round % 7].map {
          $0 < 2 ? $0 : $0 - Int.random(in: 0...1, using: &random)
        }
      // Small squares vanish and large ones overflow; norms of Doubles exceed Double.
      let exponents = [-3...3, -largest...(-largest + 20), (largest - 1)...(largest - 1)][round / 7 % 3]
      let gradients: [[S]] = counts.map { random.numbers($0, exponents: exponents) }
      let norm = try Array(gradients.joined()).withUnsafeBufferPointer { try Gradients.norm(of: $0).norm }
      let limit = min(norm, Double.greatestFiniteMagnitude) * Double.random(in: 0.1...1.5, using: &random)
      let convention = [Convention.native, .pytorch, .optax, .mlx].randomElement(using: &random)!
      let algorithm = NormAlgorithm.allCases.randomElement(using: &random)!
      let policy = NonFinitePolicy.allCases.randomElement(using: &random)!
      let threads = Int.random(in: 1...3, using: &random)
      func clip(_ tensor: GradientClipping.TensorLimit?, _ kernels: StepKernels = .automatic) throws -> (
        [[S]], ClipReport
      ) {
        StepKernels.outsideSteps = kernels
        defer { StepKernels.outsideSteps = .automatic }
        let memory = gradients.map { GuardedMemory($0, shift: round % 5) }
        let clipping = try GradientClipping(tensor: tensor, whole: .norm(limit), algorithm: algorithm)
        let report = try Gradients.clip(
          memory.map(\.buffer), by: clipping, convention: convention, nonFinitePolicy: policy, threads: threads)
        return (memory.map { Array($0.buffer) }, report)
      }
      let ((short, shortReport), (long, longReport)) = (try clip(nil), try clip(.norm(.infinity)))
      let what = "round \(round), \(counts), \(convention), \(algorithm), \(threads) threads"
      XCTAssertEqual(short, long, what)
      XCTAssertEqual(shortReport, longReport, what)
      for kernels in [StepKernels.blas, .fused] {
        let (other, otherReport) = try clip(nil, kernels)
        XCTAssertEqual(other, short, "\(what), \(kernels)")
        XCTAssertEqual(otherReport, shortReport, "\(what), \(kernels)")
      }
      if shortReport.wasClipped { clipped += 1 } else { kept += 1 }
    }
    XCTAssertGreaterThan(clipped, 25)
    XCTAssertGreaterThan(kept, 8)
  }

  func testWhatOnlyTheOtherWayDoes() throws {
    // A limit of 0 and a coefficient that Float cannot hold.
    var gradient: [Float] = [3, -4]
    try gradient.withUnsafeMutableBufferPointer {
      let report = try Gradients.clip([$0], by: .byGlobalNorm(0))
      XCTAssertEqual(report.clipCoefficient, 0)
    }
    XCTAssertEqual(gradient, [0, 0])
    var large = [Float](repeating: 1e38, count: 4)
    try large.withUnsafeMutableBufferPointer {
      let report = try Gradients.clip([$0], by: .byGlobalNorm(2e-6))
      XCTAssertEqual(report.clipCoefficient, 1e-44, accuracy: 1e-50)
    }
    for element in large { XCTAssertEqual(element, 1e-6, accuracy: 1e-12) }

    for policy in NonFinitePolicy.allCases {
      var broken: [Float] = [3, .nan, 4]
      let result = Result {
        try broken.withUnsafeMutableBufferPointer {
          try Gradients.clip([$0], by: .byGlobalNorm(1), nonFinitePolicy: policy)
        }
      }
      switch policy {
      case .throw:
        XCTAssertThrowsError(try result.get()) {
          guard case MomentumError.nonFiniteGradient(_, 1, _)? = $0 as? MomentumError else { return XCTFail("\($0)") }
        }
      case .skipStep: XCTAssertTrue(try result.get().wasSkipped)
      case .zero: XCTAssertEqual(broken[1], 0)
      case .propagate: XCTAssertTrue(broken.allSatisfy(\.isNaN))
      }
    }
  }
}
