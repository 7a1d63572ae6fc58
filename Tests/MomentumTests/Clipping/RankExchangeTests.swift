import MomentumTestSupport
import XCTest

@testable import Momentum

/// Owners that meet by sums of words, as ranks do: each does what one owner of all would do, bit for bit.
final class RankExchangeTests: XCTestCase {
  private final class Owner: @unchecked Sendable {  // each is used by one thread at a time
    var optimizer: Optimizer<Float>
    let parameters: GuardedMemory<Float>
    let gradient: GuardedMemory<Float>
    private let tensors: [Range<Int>]

    /// - Parameter cuts: Where the range is cut into tensors.
    init(
      _ range: Range<Int>, cuts: [Int] = [], _ gradient: [Float], _ clipping: GradientClipping,
      policy: NonFinitePolicy = .throw, groups: [ParameterGroup] = [], lossScale: LossScale = .none,
      adaptiveLimit: AdaptiveLimit? = nil
    ) throws {
      let bounds =
        [range.lowerBound] + cuts.filter { $0 > range.lowerBound && $0 < range.upperBound } + [range.upperBound]
      let tensors = range.isEmpty ? [] : zip(bounds, bounds.dropFirst()).map { $0..<$1 }
      self.tensors = tensors.map { $0.lowerBound - range.lowerBound..<$0.upperBound - range.lowerBound }
      let layout = try ParameterLayout(
        tensors.map { (cuts.isEmpty ? "w" : "w\($0.lowerBound)", [$0.count]) })
      optimizer = try Optimizer(
        layout, rule: SGD(learningRate: 0.1, momentum: 0.9), groups: groups, clipping: clipping,
        nonFinitePolicy: policy, lossScale: lossScale, adaptiveLimit: adaptiveLimit)
      parameters = GuardedMemory(Array(repeating: 1, count: range.count))
      self.gradient = GuardedMemory(Array(gradient[range]))
    }

    func step(_ exchange: (any NormExchange)?) -> String {
      let (parameters, gradients) = (
        tensors.map { UnsafeMutableBufferPointer(rebasing: self.parameters.buffer[$0]) },
        tensors.map { Optional(UnsafeBufferPointer(rebasing: self.gradient.readOnlyBuffer[$0])) }
      )
      do throws(MomentumError) {
        guard let exchange else { return "\(try optimizer.step(parameters: parameters, gradients: gradients))" }
        return "\(try optimizer.step(parameters: parameters, gradients: gradients, exchange: exchange))"
      } catch {
        return "\(error)"
      }
    }
  }

  private static let count = 5 * 2048 + 77

  /// Contiguous parts, cut between tiles; with many ranks some have nothing.
  private static func parts(_ ranks: Int) -> [Range<Int>] {
    let cuts = (0...ranks).map { $0 == ranks ? count : count * $0 / ranks / 2048 * 2048 }
    return zip(cuts, cuts.dropFirst()).map { $0..<$1 }
  }

  private func gradient() -> [Float] {
    var random = SeededGenerator(seed: 71)
    return random.numbers(Self.count)
  }

  /// Steps twice on any number of ranks, and expects what one owner gets.
  private func compare(
    _ gradient: [Float], _ clipping: GradientClipping, policy: NonFinitePolicy = .throw, groups: [ParameterGroup] = [],
    lossScale: LossScale = .none, adaptiveLimit: AdaptiveLimit? = nil, line: UInt = #line
  ) throws {
    // The norms of tensors that a group has clipped are rounded one by one, so there the ranks have whole ones.
    let cuts = groups.isEmpty ? [] : (1..<6).map { 2048 * $0 }
    func owner(_ range: Range<Int>) throws -> Owner {
      var groups = groups
      for index in groups.indices { groups[index].mayBeEmpty = true }
      return try Owner(
        range, cuts: cuts, gradient, clipping, policy: policy, groups: groups, lossScale: lossScale,
        adaptiveLimit: adaptiveLimit)
    }
    let whole = try owner(0..<Self.count)
    let expected = (0..<2).map { _ in whole.step(nil) }
    for ranks in 1...8 {
      let owners = try Self.parts(ranks).map(owner)
      let reports = ThreadRanks(ranks).run { rank in
        (0..<2).map { _ in owners[rank.rank].step(RankExchange(rank, elements: Self.count)) }
      }
      XCTAssertEqual(reports, Array(repeating: expected, count: ranks), "\(clipping) on \(ranks) ranks", line: line)
      assertSameBits(
        whole.parameters.elements, owners.flatMap(\.parameters.elements), "\(clipping) on \(ranks) ranks", line: line)
    }
  }

  func testAnyNumberOfRanksStepsAsOne() throws {
    let gradient = gradient()
    for clipping in try [
      GradientClipping.none, .measureOnly, .byGlobalNorm(3), .byGlobalNorm(3, type: .l1), .normalized(to: 7),
      .byGlobalNorm(0.2, type: .infinity), .byGlobalNorm(3, type: .p(3)),
      GradientClipping(value: -0.5...0.7, whole: .norm(5)),
    ] { try compare(gradient, clipping) }
    try compare(
      gradient, .byGlobalNorm(1),
      groups: [
        ParameterGroup("w", ["w[0-4]*"], clipping: .byGlobalNorm(2)),
        ParameterGroup("x", ["w*"], clipping: .byGlobalNorm(3)),
      ])
    try compare(gradient, .measureOnly, adaptiveLimit: .autoClip(AutoClip(percentile: 40)))
  }

  func testElementsThatAreNotFinite() throws {
    for policy in NonFinitePolicy.allCases where policy != .throw {
      for position in [3, Self.count - 1] {
        var gradient = gradient()
        gradient[position] = .nan
        gradient[2048] = -.infinity
        try compare(gradient, .byGlobalNorm(3), policy: policy)
        try compare(gradient, .byGlobalNorm(3, type: .infinity), policy: policy)
      }
    }
    var gradient = gradient()
    gradient[5000] = .infinity
    try compare(gradient, .byGlobalNorm(1), lossScale: .dynamic())
  }

  func testAUsualMeetingIsOneSum() throws {
    let gradient = gradient()
    let owners = try Self.parts(3).map { try Owner($0, gradient, .byGlobalNorm(3)) }
    let ranks = ThreadRanks(3)
    _ = ranks.run { owners[$0.rank].step(RankExchange($0, elements: Self.count)) }
    // One to decide, and one to agree that all will write.
    XCTAssertEqual(ranks.sums, [RankMessage.headCount, RankMessage.headCount])
  }

  // MARK: Failures

  /// Expects all ranks to fail with a text, and nothing to be written.
  private func expectAllToFail(_ text: String, _ owners: [Owner], elements: Int = count, line: UInt = #line) {
    let texts = ThreadRanks(owners.count).run { owners[$0.rank].step(RankExchange($0, elements: elements)) }
    XCTAssertEqual(texts, Array(repeating: text, count: owners.count), line: line)
    for owner in owners {
      XCTAssertTrue(owner.parameters.elements.allSatisfy { $0 == 1 }, line: line)
      XCTAssertEqual(owner.optimizer.stepCount, 0, line: line)
    }
  }

  func testAPartThatIsHeldTwiceOrByNobodyIsRefused() throws {
    let gradient = gradient()
    let twice = try [0..<4096, 2048..<Self.count].map { try Owner($0, gradient, .byGlobalNorm(1)) }
    expectAllToFail("the tensors of all ranks has count 12365; expected 10317", twice)
    let missing = try [0..<2048, 4096..<Self.count].map { try Owner($0, gradient, .byGlobalNorm(1)) }
    expectAllToFail("the tensors of all ranks has count 8269; expected 10317", missing)
  }

  func testTheFirstRankThatFailsSpeaksForAll() throws {
    for failing in 0..<3 {
      var gradient = gradient()
      let parts = Self.parts(3)
      for part in parts[failing...] { gradient[part.lowerBound + 5] = .nan }
      let owners = try parts.map { try Owner($0, gradient, .byGlobalNorm(1)) }
      expectAllToFail("gradient of tensor 'w' is nan at index 5; expected finite values", owners)
    }
  }

  func testRanksThatDifferAreRefused() throws {
    let text =
      "exchange is of owners that differ in step, settings or loss scale; expected the same calls with the same settings by "
      + "all owners"
    let (gradient, parts) = (gradient(), Self.parts(3))
    for odd in 0..<3 {
      let types = try parts.enumerated().map {
        try Owner($1, gradient, .byGlobalNorm(1, type: $0 == odd ? .l1 : .l2))
      }
      expectAllToFail(text, types)
      let scales = try parts.enumerated().map {
        try Owner($1, gradient, .byGlobalNorm(1), lossScale: $0 == odd ? .fixed(2) : .none)
      }
      expectAllToFail(text, scales)
    }
  }

  func testCopiesMustMeasureTheSame() throws {
    let gradient = gradient()
    var other = gradient
    other[100] += 1
    let copies = try [gradient, gradient, other].map { try Owner(0..<Self.count, $0, .byGlobalNorm(1)) }
    let same = ThreadRanks(2).run { copies[$0.rank].step(RankExchange($0, holding: .copies)) }
    let whole = try Owner(0..<Self.count, gradient, .byGlobalNorm(1))
    XCTAssertEqual(same, Array(repeating: whole.step(nil), count: 2))
    for copy in copies { try copy.optimizer.resume(stepCount: 1, lastStepClipped: true) }
    let texts = ThreadRanks(3).run { copies[$0.rank].step(RankExchange($0, holding: .copies)) }
    XCTAssertEqual(texts, Array(repeating: NormMessage.ownersDiffer.description, count: 3))
  }

  // MARK: Errors as words

  func testEveryErrorSurvivesTheJourney() throws {
    let errors: [MomentumError] = [
      .invalidSetting(name: "é", of: .tensor("w"), value: 0.1, expected: .atLeast(1)),
      .invalidSetting(name: "a", of: .group("g"), value: -3, expected: .countAtLeast(2)),
      .invalidSetting(name: "b", of: .step(3), value: "x", expected: "12345678"),
      .invalidSetting(name: "c", of: .step(3, scheduled: "s"), value: 1.0, expected: .between(0, 2)),
      .invalidSetting(name: "", value: 1.0, expected: .positive),
      .invalidSetting(name: "d", value: 1.0, expected: .finiteAbove(2)),
      .invalidSetting(name: "d", value: 1.0, expected: .finiteAtLeast(2)),
      .countMismatch(what: "123456789", count: .max, expected: .min),
      .layoutMismatch(
        LayoutMismatch(what: "x", position: 1, found: nil, expected: LayoutMismatch.Tensor(name: "t", shape: [2, 3]))),
      .invalidStride(what: "x", stride: -1), .overlap(first: "a", second: "b"), .duplicateTensor(name: "n"),
      .unknownTensor(name: "n"), .invalidShape(tensor: "t", shape: [-1, 2]),
      .nonFiniteGradient(tensor: "t", index: 5, value: -.infinity),
      .invalidProgram(tensor: "t", operation: 1, fault: .writesGradient),
      .invalidProgram(tensor: "t", operation: 1, fault: .needsVelocity),
      .invalidProgram(tensor: "t", operation: 1, fault: .touchesAverage),
      .invalidProgram(tensor: "t", operation: 1, fault: .scalesUnits),
      .invalidProgram(tensor: "t", operation: 1, fault: .invalidBounds(lower: 2, upper: 1)),
      .invalidProgram(tensor: "t", operation: 1, fault: .invalidScale(0)),
      .invalidProgram(tensor: "t", operation: 1, fault: .tooLong(most: 9)),
      .invalidProgram(tensor: "t", operation: 2, fault: .needsSecondMoment),
      .invalidProgram(tensor: "t", operation: 2, fault: .needsTransform),
      .invalidProgram(tensor: "t", operation: 2, fault: .transformsTwice),
      .invalidProgram(tensor: "t", operation: 2, fault: .readsAcrossTransform),
      .invalidProgram(tensor: "t", operation: 0, fault: .leavesOutPreparation),
      .nonFiniteState(what: "velocity", tensor: "t", index: 1, value: .infinity), .allocationFailed(bytes: 8),
      .unsuitableBLAS(library: "b", reason: "64 bits"), .lapackFailure(routine: "r", code: -2),
    ]
    for error in errors {
      let words = ErrorWords(error).words
      XCTAssertEqual(ErrorWords(words: words).error, error)
      for count in 0..<words.count { XCTAssertNil(ErrorWords(words: Array(words.prefix(count))).error, "\(error)") }
    }
  }
}
