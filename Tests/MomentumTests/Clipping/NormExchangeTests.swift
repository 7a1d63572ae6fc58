import MomentumTestSupport
import XCTest

@testable import Momentum

/// Several owners of one gradient, who meet between measuring and deciding: each does what one owner of all would do,
/// bit for bit.
final class NormExchangeTests: XCTestCase {
  private typealias Outcome = Result<StepReport, MomentumError>

  /// The settings of an optimizer, the same for all owners.
  private struct Setup: Sendable {
    var rule: any UpdateRule
    var groups: [ParameterGroup] = []
    var clipping = GradientClipping.none
    var policy = NonFinitePolicy.throw
    var averaging: WeightAveraging?
    var lossScale = LossScale.none
    var adaptiveLimit: AdaptiveLimit?
    var kernels = StepKernels.automatic
  }

  /// Some tensors of the model, with the optimizer that steps them.
  private final class Owner<S: BLASScalar>: @unchecked Sendable {  // each is used by one thread at a time
    var optimizer: Optimizer<S>
    let tensors: Range<Int>
    let parameters: [GuardedMemory<S>]
    /// Gradients of several steps.
    var gradients: [[[S]?]] = []

    init(_ tensors: Range<Int>, _ start: [[S]], _ setup: Setup) throws {
      self.tensors = tensors
      var groups = setup.groups
      for index in groups.indices { groups[index].mayBeEmpty = true }
      let layout = try ParameterLayout(tensors.map { ("tensor \($0)", NormExchangeTests.shapes[$0]) })
      optimizer = try Optimizer(
        layout, rule: setup.rule, groups: groups, clipping: setup.clipping, nonFinitePolicy: setup.policy,
        averaging: setup.averaging, lossScale: setup.lossScale, adaptiveLimit: setup.adaptiveLimit)
      optimizer.kernels = setup.kernels
      parameters = tensors.map { GuardedMemory(start[$0]) }
    }

    func step(_ number: Int, _ exchange: (any NormExchange)?) -> Outcome {
      let memory = gradients[number].map { $0.map { GuardedMemory($0) } }
      for gradient in memory { gradient?.forbidWriting() }
      defer { withExtendedLifetime(memory) {} }
      let buffers = memory.map { $0?.readOnlyBuffer }
      do throws(MomentumError) {
        guard let exchange else {
          return .success(try optimizer.step(parameters: parameters.map(\.buffer), gradients: buffers))
        }
        return .success(
          try optimizer.step(parameters: parameters.map(\.buffer), gradients: buffers, exchange: exchange))
      } catch {
        return .failure(error)
      }
    }
  }

  private static let shapes = [[3, 5], [2049], [1], [40, 60], [7], [4, 4, 4], [0], [2048, 2]]
  private static let cuts = [0..<2, 2..<3, 3..<6, 6..<8]
  private static let counts = shapes.map { $0.reduce(1, *) }

  private func owners<S: BLASScalar>(
    _ cuts: [Range<Int>], _ start: [[S]], _ gradients: [[[S]?]], _ setup: Setup
  ) throws -> [Owner<S>] {
    try cuts.map { cut in
      let owner = try Owner(cut, start, setup)
      owner.gradients = gradients.map { Array($0[cut]) }
      return owner
    }
  }

  /// All steps of all owners, each on a thread of its own: the outcomes, by owner.
  private func run<S: BLASScalar>(_ owners: [Owner<S>]) throws -> [[Outcome]] {
    try ThreadExchange.run(owners: owners.count) { number, exchange throws(MomentumError) in
      let owner = owners[number]
      return owner.gradients.indices.map { owner.step($0, exchange) }
    }
  }

  /// The same by owners that are half in one process and half in another: threads stand for these, too.
  private func runInProcesses<S: BLASScalar>(_ owners: [Owner<S>]) throws -> [[Outcome]] {
    try ThreadExchange.run(owners: 2) { process, outer throws(MomentumError) in
      let own = process == 0 ? owners[..<(owners.count / 2)] : owners[(owners.count / 2)...]
      return try ThreadExchange.run(owners: own.count, within: outer) { number, exchange throws(MomentumError) in
        let owner = own[own.startIndex + number]
        return owner.gradients.indices.map { owner.step($0, exchange) }
      }
    }.flatMap(\.self)
  }

  private func compare<S: BLASScalar>(
    _: S.Type, _ setup: Setup, _ change: (inout [[[S]?]]) -> Void = { _ in }, line: UInt = #line
  ) throws -> [Outcome] {
    var random = SeededGenerator(seed: 61)
    let start: [[S]] = Self.counts.map { random.numbers($0) }
    var gradients: [[[S]?]] = (0..<3).map { _ in Self.counts.map { random.numbers($0) } }
    change(&gradients)
    let whole = try owners([0..<8], start, gradients, setup)[0]
    let expected = gradients.indices.map { whole.step($0, nil) }
    for areInProcesses in [false, true] {
      let parts = try owners(Self.cuts, start, gradients, setup)
      let what = "\(S.self), \(setup.clipping), \(setup.policy), in processes: \(areInProcesses)"
      for (number, outcomes) in try (areInProcesses ? runInProcesses(parts) : run(parts)).enumerated() {
        // As text, because NaN does not equal itself.
        XCTAssertEqual("\(outcomes)", "\(expected)", "owner \(number), \(what)", line: line)
      }
      let expectedState = whole.optimizer.state()
      var directions: [S] = []
      var averages: [S] = []
      var secondMoments: [S] = []
      for part in parts {
        for (tensor, memory) in zip(part.tensors, part.parameters) {
          assertSameBits(whole.parameters[tensor].elements, memory.elements, "tensor \(tensor), \(what)", line: line)
          XCTAssertTrue(memory.guardsAreIntact)
        }
        let state = part.optimizer.state()
        XCTAssertEqual(state.stepCount, expectedState.stepCount)
        XCTAssertEqual(state.velocities, Array(expectedState.velocities[part.tensors]), what, line: line)
        XCTAssertEqual(state.averages, Array(expectedState.averages[part.tensors]), what, line: line)
        XCTAssertEqual(state.lossScale, expectedState.lossScale)
        XCTAssertEqual(state.adaptiveLimit, expectedState.adaptiveLimit, what, line: line)
        directions += state.direction
        averages += state.average
        secondMoments += state.secondMoment
      }
      assertSameBits(expectedState.direction, directions, what, line: line)
      assertSameBits(expectedState.average, averages, what, line: line)
      assertSameBits(expectedState.secondMoment, secondMoments, what, line: line)
    }
    return expected
  }

  // MARK: Every clip

  private func clippings() throws -> [GradientClipping] {
    try [
      .none, .measureOnly, .byValue(0.5), .byGlobalNorm(3), .byGlobalNorm(1e9), .byGlobalNorm(3, type: .l1),
      .byGlobalNorm(0.2, type: .infinity), .byGlobalNorm(3, type: .p(3)), .byGlobalNorm(3, type: .p(0.5)),
      .normalized(to: 7), .byNorm(0.5), .byNorm(0.5, of: .firstAxis), .byBlockRMS(0.3),
      GradientClipping(whole: .norm(3), algorithm: .portable),
      GradientClipping(value: -0.5...0.7, tensor: .norm(4), whole: .norm(5)),
      GradientClipping(value: -0.5...0.7, tensor: .norm(4), whole: .norm(5), normType: .p(3)),
      GradientClipping(value: -0.5...0.7, tensor: .unitNorm(0.6, .firstAxis), whole: .norm(5)),
      GradientClipping(tensor: .rootMeanSquare(0.4), whole: .norm(9)),
      GradientClipping(tensor: .norm(0.5), whole: .norm(0.7), normType: .p(600)),
      // So small that the powers of the clipped norms vanish on the scale of the largest element.
      GradientClipping(tensor: .norm(1e-200), whole: .norm(1e-201), normType: .p(3)),
      // And so small that they have few digits as numbers of Double.
      GradientClipping(tensor: .norm(0x1.8p-1030), whole: .norm(0x1p-1032), normType: .infinity),
    ]
  }

  func testFourOwnersStepAsOneFloat() throws { try fourOwnersStepAsOne(Float.self) }
  func testFourOwnersStepAsOneDouble() throws { try fourOwnersStepAsOne(Double.self) }

  private func fourOwnersStepAsOne<S: BLASScalar>(_: S.Type) throws {
    for clipping in try clippings() {
      let outcomes = try compare(S.self, Setup(rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: clipping))
      XCTAssertEqual(try outcomes.last?.get().step, 3)
      XCTAssertGreaterThan(try XCTUnwrap(outcomes[0].get().comparedNorm), 0)
    }
  }

  func testRulesOfSecondMomentsAndSigns() throws {
    for rule in try [AdamW(learningRate: 0.1), Lion(learningRate: 0.1)] as [any UpdateRule] {
      _ = try compare(Float.self, Setup(rule: rule, clipping: .byGlobalNorm(3)))
    }
  }

  /// What comes behind the transform of a matrix is one loop or several operations, of which some have no loop.
  func testTransformsOfMatricesFloat() throws { try transformsOfMatrices(Float.self) }
  func testTransformsOfMatricesDouble() throws { try transformsOfMatrices(Double.self) }

  private func transformsOfMatrices<S: BLASScalar>(_: S.Type) throws {
    let groups = [ParameterGroup("vectors", ["tensor [1246]"], rule: try SGD(learningRate: 0.1, momentum: 0.9))]
    for averaging in try [nil, WeightAveraging.exponential(decay: 0.9), WeightAveraging(.mean)] {
      for (kernels, decay) in [(StepKernels.automatic, 0.0), (.automatic, 0.1), (.blas, 0.1), (.fused, 0.1)] {
        let outcomes = try compare(
          S.self,
          Setup(
            rule: Muon(learningRate: 0.1, weightDecay: decay), groups: groups, clipping: .byGlobalNorm(3),
            averaging: averaging, kernels: kernels))
        XCTAssertEqual(try outcomes.last?.get().step, 3)
      }
    }
  }

  func testGroupsThatTheLimitLeavesOut() throws {
    for type in [NormType.l2, .p(3)] {
      let clipping = try GradientClipping(value: -0.5...0.7, tensor: .norm(4), whole: .norm(3), normType: type)
      for groups in [
        [ParameterGroup("odd", ["tensor [1357]"], exemptFromWhole: true)],
        [ParameterGroup("last", ["tensor [67]"], clipping: clipping, exemptFromWhole: true)],
        [ParameterGroup("all", ["*"], exemptFromWhole: true)],
      ] {
        _ = try compare(Double.self, Setup(rule: SGD(learningRate: 0.1), groups: groups, clipping: clipping))
      }
    }
  }

  func testGroupsLieAcrossOwners() throws {
    let rule = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
    for type in [NormType.l2, .p(3)] {
      let groups = [
        ParameterGroup("odd", ["tensor [1357]"], clipping: try GradientClipping(whole: .norm(2), normType: type)),
        ParameterGroup("first", ["tensor 0"], rule: try SGD(learningRate: 0.2)),
        ParameterGroup(
          "second", ["tensor [24]"],
          clipping: try GradientClipping(value: -0.1...0.1, tensor: .norm(0.2), whole: .norm(1e-190), normType: type)),
      ]
      let clipping = try GradientClipping(whole: .norm(1), normType: type)
      let outcomes = try compare(Double.self, Setup(rule: rule, groups: groups, clipping: clipping))
      XCTAssertTrue(try outcomes.allSatisfy { try $0.get().wasClipped && $0.get().valueClippedCount > 0 })
      // Only groups clip; what they leave is compared with nothing.
      _ = try compare(Float.self, Setup(rule: rule, groups: groups))
    }
  }

  func testWhatAdaptsIsTheSameForAllOwners() throws {
    let rule = try SGD(learningRate: 0.1, momentum: 0.9)
    for limit in try [
      AdaptiveLimit.autoClip(AutoClip(percentile: 40)), .zClip(ZClip(threshold: 0.5, warmUp: 1)),
      .spikeSkipping(SpikeSkipping(limit: 50)),
    ] {
      let outcomes = try compare(Double.self, Setup(rule: rule, adaptiveLimit: limit)) { gradients in
        gradients[1][3] = gradients[1][3]?.map { $0 * 100 }
      }
      if case .spikeSkipping = limit { XCTAssertTrue(try outcomes[1].get().wasSkipped) }
    }
    let outcomes = try compare(Float.self, Setup(rule: rule, clipping: .byGlobalNorm(1e-5), lossScale: .dynamic())) {
      $0[1][4]?[0] = .infinity
    }
    XCTAssertEqual(try outcomes.map { try $0.get().lossScale }, [0x1p16, 0x1p16, 0x1p15])
  }

  func testRulesThatMeasureUnitsAndAverages() throws {
    let rule = try AdaptiveGradientClipping(SGD(learningRate: 0.1, momentum: 0.9))
    _ = try compare(
      Float.self, Setup(rule: rule, clipping: .byGlobalNorm(2), averaging: .exponential(decay: 0.5)))
  }

  func testTensorsWithoutGradients() throws {
    _ = try compare(Double.self, Setup(rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(2))) {
      ($0[0][1], $0[1][2], $0[2][7]) = (nil, nil, nil)
    }
  }

  // MARK: NaN with one owner

  func testOneOwnersNaNIsEveryonesUnderEveryPolicy() throws {
    let clippings = try [
      GradientClipping.none, .byGlobalNorm(2), .byGlobalNorm(2, type: .p(3)),
      GradientClipping(value: -0.5...0.7, tensor: .norm(4), whole: .norm(5)),
      GradientClipping(tensor: .unitNorm(0.6, .firstAxis), whole: .norm(5)),
    ]
    for policy in NonFinitePolicy.allCases {
      for clipping in clippings {
        let setup = Setup(rule: try SGD(learningRate: 0.1, momentum: 0.9), clipping: clipping, policy: policy)
        let outcomes = try compare(Float.self, setup) { gradients in
          gradients[1][4]?[3] = .nan
          gradients[1][5]?[60] = -.infinity
        }
        switch policy {
        case .throw:
          expect("gradient of tensor 'tensor 4' is nan at index 3; expected finite values") { try outcomes[1].get() }
        case .skipStep:
          XCTAssertTrue(try outcomes[1].get().wasSkipped)
          XCTAssertEqual(try outcomes[1].get().nonFiniteCount, 2)
        case .zero, .propagate: XCTAssertEqual(try outcomes[1].get().step, 2)
        }
      }
    }
  }
}
