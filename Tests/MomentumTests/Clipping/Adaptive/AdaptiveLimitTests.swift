import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// What holds for every method of adaptive clipping; the methods have tests of their own.
final class AdaptiveLimitTests: XCTestCase {
  static func methods() throws -> [AdaptiveLimit] {
    [
      .autoClip(try AutoClip(percentile: 37.3, window: 16)), .autoClip(try AutoClip(percentile: 0, window: 1)),
      .zClip(try ZClip(warmUp: 5)), .zClip(try ZClip(warmUp: 5, mode: .mean, maximum: 1)),
      .zClip(try ZClip(threshold: 1, warmUp: 1, mode: .deviations)), .zClip(try ZClip(warmUp: 3, ignoresSpikes: true)),
      .spikeSkipping(try SpikeSkipping(deviations: 2, window: 8)),
      .spikeSkipping(try SpikeSkipping(deviations: 1, window: 8, limit: 10)),
      .spikeSkipping(try SpikeSkipping(limit: 10)),
    ]
  }

  static let unusable = [Double.nan, -.nan, .signalingNaN, .infinity, -.infinity, -1, 0x1p501]

  func testNormsThatAreNotFiniteLeaveNoTrace() throws {
    var generator = SeededGenerator(seed: 11)
    for method in try Self.methods() {
      var (poisoned, clean) = (method, method)
      for step in 0..<100 {
        for bad in Self.unusable {
          let decision = poisoned.decide(norm: bad)
          if case .limit(let limit) = decision { XCTAssertTrue(limit.isFinite && limit >= 0, "\(decision)") }
        }
        let norm = step % 17 == 16 ? 1e300 * generator.uniform().magnitude : generator.uniform().magnitude + 1
        XCTAssertEqual(poisoned.decide(norm: norm), clean.decide(norm: norm))
        XCTAssertEqual(poisoned, clean)
      }
    }
  }

  func testLimitsAreFiniteWhateverTheHistory() throws {
    var generator = SeededGenerator(seed: 12)
    for method in try Self.methods() {
      for exponents in [-1074...(-1000), 400...499, -1074...499] {
        var method = method
        for norm in generator.magnitudes(200, exponents: exponents) + [0, 0, 0, 0x1p500, 0x1p500, 0x1p500] {
          if case .limit(let limit) = method.decide(norm: norm) {
            XCTAssertTrue(limit.isFinite && limit >= 0, "\(limit)")
          }
        }
      }
    }
  }

  func testAStateGoesOnWithTheSameBits() throws {
    var generator = SeededGenerator(seed: 13)
    for method in try Self.methods() {
      var (direct, restored) = (method, method)
      for _ in 0..<60 {
        restored = try JSONDecoder().decode(AdaptiveLimit.self, from: JSONEncoder().encode(restored))
        XCTAssertEqual(restored, direct)
        XCTAssertEqual(restored.hashValue, direct.hashValue)
        let norm = generator.magnitudes(1, exponents: -3...3)[0]
        XCTAssertEqual(restored.decide(norm: norm), direct.decide(norm: norm))
      }
    }
  }

  func testWithoutHistoryOnlySettingsAreLeft() throws {
    for method in try Self.methods() {
      var used = method
      for norm in [1.0, 2, 3, 4, 50, 6, 7, 8, 9] { _ = used.decide(norm: norm) }
      XCTAssertEqual(used.withoutHistory, method)
    }
  }

  func testAStateDoesNotGrow() throws {
    var generator = SeededGenerator(seed: 14)
    for method in try Self.methods() {
      var method = method
      for norm in generator.magnitudes(64, exponents: -3...3) { _ = method.decide(norm: norm) }
      let size = try JSONEncoder().encode(method).count
      for norm in generator.magnitudes(2000, exponents: -3...3) { _ = method.decide(norm: norm) }
      XCTAssertLessThan(try JSONEncoder().encode(method).count, size + 20 * 16, "digits of a full window at most")
    }
  }

  func testSettingsDecodeAsAFreshStart() throws {
    let table: [(String, AdaptiveLimit)] = [
      (#"{"autoClip": {}}"#, .autoClip(try AutoClip())),
      (#"{"autoClip": {"percentile": 25, "window": 100}}"#, .autoClip(try AutoClip(percentile: 25, window: 100))),
      (#"{"zClip": {}}"#, .zClip(try ZClip())),
      (
        #"{"zClip": {"threshold": 3, "decay": 0.9, "warmUp": 9, "mode": "mean", "maximum": 1, "ignoresSpikes": true}}"#,
        .zClip(try ZClip(threshold: 3, decay: 0.9, warmUp: 9, mode: .mean, maximum: 1, ignoresSpikes: true))
      ),
      (#"{"spikeSkipping": {"deviations": 6}}"#, .spikeSkipping(try SpikeSkipping(deviations: 6))),
      (
        #"{"spikeSkipping": {"deviations": 2, "window": 9, "limit": 4}}"#,
        .spikeSkipping(try SpikeSkipping(deviations: 2, window: 9, limit: 4))
      ),
    ]
    for (json, expected) in table {
      XCTAssertEqual(try JSONDecoder().decode(AdaptiveLimit.self, from: Data(json.utf8)), expected, json)
    }
  }

  func testJSONThatIsRefused() {
    let table: [(json: String, path: String, text: String)] = [
      ("{}", "", "0 kinds of adaptive clipping"),
      (#"{"autoClip": {}, "zClip": {}}"#, "", "2 kinds of adaptive clipping"),
      (#"{"agc": {}}"#, "", "unknown key 'agc'"),
      (#"{"autoClip": {"q": 10}}"#, "autoClip", "unknown key 'q'"),
      (#"{"autoClip": {"percentile": 101}}"#, "autoClip", "percentile is 101.0; expected a number in 0...100"),
      (#"{"autoClip": {"window": 1, "norms": [1, 2]}}"#, "autoClip", "norms has count 2; expected 1"),
      (#"{"autoClip": {"norms": [-1]}}"#, "autoClip", "saved norm is -1.0; expected a number in 0...2^500"),
      (#"{"autoClip": {"norms": [1e200]}}"#, "autoClip", "saved norm is 1e+200"),
      (#"{"zClip": {"alpha": 1}}"#, "zClip", "unknown key 'alpha'"),
      (#"{"zClip": {"mean": 1}}"#, "zClip", "no state"),
      (#"{"zClip": {"mean": 1, "variance": -1}}"#, "zClip", "no state"),
      (#"{"zClip": {"mean": 1, "variance": 1, "norms": [1]}}"#, "zClip", "no state"),
      (#"{"zClip": {"warmUp": 2, "norms": [1, 1]}}"#, "zClip", "2 norms of a warm-up of 2"),
      (#"{"spikeSkipping": {}}"#, "spikeSkipping", "spike skipping is without a rule"),
    ]
    for row in table {
      XCTAssertThrowsError(try JSONDecoder().decode(AdaptiveLimit.self, from: Data(row.json.utf8)), row.json) {
        guard case DecodingError.dataCorrupted(let context) = $0 else { return XCTFail("\($0)") }
        XCTAssertTrue(context.debugDescription.contains(row.text), context.debugDescription)
        XCTAssertEqual(context.codingPath.map(\.stringValue).joined(separator: "."), row.path)
      }
    }
  }

  // MARK: AutoClip

  func testPercentilesByHand() throws {
    var method = try AutoClip(percentile: 25, window: 5)
    // Of [4], [2 4], [2 4 6], [1 2 4 6], [1 2 3 4 6]; then 4 goes: [1 2 3 5 6]; then 2: [1 3 5 6 7].
    let expected = [4, 2.5, 3, 1.75, 2, 2, 3]
    XCTAssertEqual([4, 2, 6, 1, 3, 5, 7].map { method.decide(norm: $0) }, expected.map { .limit($0) })
    XCTAssertEqual(method.norms, [6, 1, 3, 5, 7])
    XCTAssertEqual(method.decide(norm: .nan), .limit(3), "the limit of the history")
    var empty = try AutoClip()
    XCTAssertEqual(empty.decide(norm: .infinity), .none)
    XCTAssertNil(empty.limit)
  }

  func testPercentilesByAPlainLoop() throws {
    var generator = SeededGenerator(seed: 15)
    for percentile in [0, 10, 37.3, 50, 99.9, 100] {
      for window in [1, 2, 7, 64] {
        var (method, history) = (try AutoClip(percentile: percentile, window: window), [Double]())
        for step in 0..<150 {
          // Equal norms now and then.
          let norm = step % 3 == 0 ? 1.5 : generator.uniform().magnitude
          history.append(norm)
          let sorted = history.suffix(window).sorted()
          let rank = percentile / 100 * Double(sorted.count - 1)
          let (low, high) = (sorted[Int(rank.rounded(.down))], sorted[Int(rank.rounded(.up))])
          let expected = low + (high - low) * (rank - rank.rounded(.down))
          guard case .limit(let limit) = method.decide(norm: norm) else { return XCTFail("no limit") }
          assertClose(expected, limit, ulps: 4)
        }
      }
    }
  }

  func testSettingsOfAutoClip() {
    for percentile in [-0.1, 100.1, .nan] {
      XCTAssertThrowsError(try AutoClip(percentile: percentile)) {
        XCTAssertEqual("\($0)", "percentile is \(percentile); expected a number in 0...100")
      }
    }
    for window in [0, -1, 1 << 20 + 1] {
      XCTAssertThrowsError(try AutoClip(window: window)) {
        XCTAssertEqual("\($0)", "window is \(window); expected a number in 1...1048576")
      }
    }
  }
}
