import Momentum
import MomentumTestSupport
import XCTest

/// The methods that look for spikes: ZClip and the skipping of steps.
final class SpikeTests: XCTestCase {
  // MARK: ZClip

  func testZClipByHand() throws {
    // Warm-up of 1 and 3: m = 2, σ = 1. Then 2 + 8 = 10 has z = 8 / (1 + 1e-6).
    for (mode, expected) in [(ZClip.Mode.scaled, 2 + 4 / (8 / (1 + 1e-6))), (.mean, 2), (.deviations, 4)] {
      var method = try ZClip(threshold: 2, decay: 0.5, warmUp: 2, mode: mode)
      XCTAssertEqual(method.decide(norm: 1), .none)
      XCTAssertEqual(method.decide(norm: 3), .none)
      XCTAssertEqual(method.mean, 2)
      XCTAssertEqual(method.variance, 1)
      guard case .limit(let limit) = method.decide(norm: 10) else { return XCTFail("no limit") }
      assertClose(expected, limit, ulps: 2)
      // The clipped norm enters.
      let mean = 0.5 * 2 + 0.5 * expected
      assertClose(mean, method.mean!, ulps: 2)
      assertClose(0.5 + 0.5 * (expected - mean) * (expected - mean), method.variance!, ulps: 4)
    }
    var method = try ZClip(threshold: 2, decay: 0.5, warmUp: 2)
    for norm in [1.0, 3] { _ = method.decide(norm: norm) }
    XCTAssertEqual(method.decide(norm: 4), .none, "z = 2 / (1 + 1e-6), no spike")
    XCTAssertEqual(method.mean, 3)
    XCTAssertEqual(method.variance, 1)
  }

  func testZClipByAPlainLoop() throws {
    var generator = SeededGenerator(seed: 21)
    for mode in ZClip.Mode.allCases {
      for ignoresSpikes in [false, true] {
        var method = try ZClip(mode: mode, ignoresSpikes: ignoresSpikes)
        var (warmUp, mean, variance, spikes) = ([Double](), 0.0, 0.0, 0)
        for step in 0..<400 {
          let norm = (1 + generator.uniform().magnitude) * (step % 29 == 28 ? 10 : 1)
          let decision = method.decide(norm: norm)
          guard step >= 25 else {
            warmUp.append(norm)
            mean = warmUp.reduce(0, +) / Double(warmUp.count)
            variance = warmUp.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(warmUp.count)
            XCTAssertEqual(decision, .none)
            continue
          }
          let deviation = variance.squareRoot()
          let z = (norm - mean) / (deviation + 1e-6)
          var limit: Double?
          switch mode {
          case .scaled where z > 2.5: limit = mean + deviation * 2.5 * 2.5 / z
          case .mean where z > 2.5: limit = mean
          case .deviations where norm > mean + 2.5 * deviation: limit = mean + 2.5 * deviation
          default: break
          }
          if let limit {
            spikes += 1
            guard case .limit(let found) = decision else { return XCTFail("step \(step): \(decision)") }
            assertClose(limit, found, ulps: 256)
          } else {
            XCTAssertEqual(decision, .none)
          }
          if limit == nil || !ignoresSpikes {
            let entering = limit ?? norm
            mean = 0.97 * mean + 0.03 * entering
            variance = 0.97 * variance + 0.03 * (entering - mean) * (entering - mean)
          }
          assertClose(mean, method.mean!, ulps: 256)
          assertClose(variance, method.variance!, ulps: 1024)
        }
        XCTAssertGreaterThan(spikes, 8)
      }
    }
  }

  func testTheMaximumBoundsEveryLimitButNotTheStatistics() throws {
    var (free, bounded) = (try ZClip(warmUp: 2), try ZClip(warmUp: 2, maximum: 2.5))
    for norm in [1, 3, 2, 50, 2, 2, 9] as [Double] {
      let expected: AdaptiveLimit.Decision =
        if case .limit(let limit) = free.decide(norm: norm) { .limit(min(limit, 2.5)) } else { .limit(2.5) }
      XCTAssertEqual(bounded.decide(norm: norm), expected)
      XCTAssertEqual(bounded.mean, free.mean)
      XCTAssertEqual(bounded.variance, free.variance)
    }
  }

  func testZClipOfANormThatIsNotFinite() throws {
    for (mode, expected) in [(ZClip.Mode.scaled, 2.0), (.mean, 2), (.deviations, 4)] {
      var method = try ZClip(threshold: 2, warmUp: 2, mode: mode)
      XCTAssertEqual(method.decide(norm: .nan), .none)
      for norm in [1.0, 3] { _ = method.decide(norm: norm) }
      XCTAssertEqual(method.decide(norm: .infinity), .limit(expected))
      XCTAssertEqual(method.decide(norm: .nan), .limit(expected))
    }
    var bounded = try ZClip(maximum: 1)
    XCTAssertEqual(bounded.decide(norm: .nan), .limit(1))
  }

  func testSettingsOfZClip() {
    func refuses(_ text: String, line: UInt = #line, _ make: () throws -> ZClip) {
      XCTAssertThrowsError(try make(), line: line) { XCTAssertEqual("\($0)", text, line: line) }
    }
    for value in [0, -1, Double.nan, .infinity] {
      refuses("threshold is \(value); expected a positive number, at most 2^500") { try ZClip(threshold: value) }
    }
    for value in [-0.1, 1.1, .nan] {
      refuses("decay is \(value); expected a number in 0...1") { try ZClip(decay: value) }
    }
    for value in [0, 1 << 20 + 1] {
      refuses("warmUp is \(value); expected a number in 1...1048576") { try ZClip(warmUp: value) }
    }
    for value in [-1, Double.nan, .infinity] {
      refuses("maximum is \(value); expected a finite number >= 0") { try ZClip(maximum: value) }
    }
  }

  // MARK: Skipping

  func testSkippingByHand() throws {
    // [1 1 1 5] has m = 2 and σ = √3: 5 lies 1.732 deviations above, √(n - 1) exactly.
    for (deviations, decision) in [(1.73, AdaptiveLimit.Decision.skip), (1.7320508, .skip)] {
      var method = try SpikeSkipping(deviations: deviations, window: 4)
      for _ in 0..<4 { XCTAssertEqual(method.decide(norm: 1), .none, "not full, or without deviation") }
      XCTAssertEqual(method.decide(norm: 1), .none)
      XCTAssertEqual(method.decide(norm: 5), decision)
      XCTAssertEqual(method.norms, [1, 1, 1, 5], "what was skipped stays")
      XCTAssertEqual(method.decide(norm: 5), .none, "[1 1 5 5]: 1 deviation")
    }
    var filling = try SpikeSkipping(deviations: 1, window: 4)
    XCTAssertEqual([1, 1, 1, 100].map { filling.decide(norm: $0) }, [.none, .none, .none, .none])
  }

  func testSkippingByAPlainLoop() throws {
    var generator = SeededGenerator(seed: 22)
    var (method, history, skipped) = (try SpikeSkipping(deviations: 3, window: 32), [Double](), 0)
    for step in 0..<500 {
      let norm = (1 + generator.uniform().magnitude) * (step % 23 == 22 ? 5 : 1)
      history.append(norm)
      let window = history.suffix(32)
      let mean = window.reduce(0, +) / 32
      let deviation = (window.map { $0 * $0 }.reduce(0, +) / 32 - mean * mean).squareRoot()
      let isSpike = step >= 32 && (norm - mean) / deviation > 3
      if isSpike { skipped += 1 }
      XCTAssertEqual(method.decide(norm: norm), isSpike ? .skip : .none, "step \(step)")
    }
    XCTAssertGreaterThan(skipped, 10)
  }

  func testAFixedLimit() throws {
    var method = try SpikeSkipping(limit: 10)
    XCTAssertEqual([1, 10, 10.5, 1e9, 2].map { method.decide(norm: $0) }, [.none, .none, .skip, .skip, .none])
    XCTAssertEqual(method.norms, [], "no window is needed")
    var both = try SpikeSkipping(deviations: 1, window: 3, limit: 10)
    XCTAssertEqual([1, 1, 1, 99, 2].map { both.decide(norm: $0) }, [.none, .none, .none, .skip, .skip])
    XCTAssertEqual(both.norms, [1, 1, 2], "what exceeds the fixed limit stays out")
  }

  func testANormThatIsNotFiniteIsSkipped() throws {
    for method in [try SpikeSkipping(limit: 10), try SpikeSkipping(deviations: 1, window: 4)] {
      for norm in AdaptiveLimitTests.unusable {
        var method = method
        XCTAssertEqual(method.decide(norm: norm), .skip)
        XCTAssertEqual(method.norms, [])
      }
    }
  }

  func testSettingsOfSkipping() {
    func refuses(_ text: String, line: UInt = #line, _ make: () throws -> SpikeSkipping) {
      XCTAssertThrowsError(try make(), line: line) { XCTAssertEqual("\($0)", text, line: line) }
    }
    refuses("spike skipping is without a rule; expected deviations, a limit, or both") { try SpikeSkipping() }
    for value in [0, -1, Double.nan, 3] {
      refuses(
        "deviations is \(value); expected a positive number below 3.0, which no norm can exceed in a window of 10"
      ) { try SpikeSkipping(deviations: value, window: 10) }
    }
    for value in [-1, Double.nan, .infinity] {
      refuses("limit is \(value); expected a finite number >= 0") { try SpikeSkipping(limit: value) }
    }
    refuses("window is 1; expected a number in 2...1048576") { try SpikeSkipping(deviations: 1, window: 1) }
  }
}
