import MomentumTestSupport
import XCTest

@testable import Momentum

/// Owners of one gradient of whom one fails: all throw its error, nothing has been written, and nobody waits for ever. And
/// the other calls that owners make together.
final class NormExchangeFailureTests: XCTestCase {
  /// A rule whose program is refused when it is compiled, the last thing that can fail.
  private struct Unsound: UpdateRule {
    var convention: Convention { .native }
    var usesVelocity: Bool { false }
    func validate() throws(MomentumError) {}
    func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
      program.append(.axpy(factor: ScaledDouble(-1), from: .direction, into: .parameters))
      return 1
    }
  }

  private final class Owner<S: BLASScalar>: @unchecked Sendable {  // each is used by one thread at a time
    var optimizer: Optimizer<S>
    let parameters = GuardedMemory<S>([1, 2])
    var gradient: GuardedMemory<S>
    var gradients = 1

    init(
      _ name: String, _ gradient: [S] = [3, 4], rule: some UpdateRule, clipping: GradientClipping = .measureOnly,
      mode: StepMode = .twoPass, policy: NonFinitePolicy = .throw
    ) throws {
      self.gradient = GuardedMemory(gradient)
      optimizer = try Optimizer(
        ParameterLayout([(name, [2])]), rule: rule, clipping: clipping, nonFinitePolicy: policy, mode: mode)
    }

    func step(_ exchange: some NormExchange) throws(MomentumError) -> StepReport {
      try optimizer.step(
        parameters: [parameters.buffer], gradients: Array(repeating: gradient.readOnlyBuffer, count: gradients),
        exchange: exchange)
    }
  }

  /// Lets all owners take a step, each on a thread of its own, or in two groups as if these were processes.
  private func failures<S>(of owners: [Owner<S>], inProcesses: Bool) throws -> [MomentumError?] {
    @Sendable func step(_ owner: Owner<S>, _ exchange: any NormExchange) -> MomentumError? {
      do throws(MomentumError) {
        _ = try owner.step(exchange)
        return nil
      } catch {
        return error
      }
    }
    guard inProcesses else {
      return try ThreadExchange.run(owners: owners.count) { number, exchange throws(MomentumError) in
        step(owners[number], exchange)
      }
    }
    return try ThreadExchange.run(owners: 2) { process, outer throws(MomentumError) in
      let own = process == 0 ? owners[..<1] : owners[1...]
      return try ThreadExchange.run(owners: own.count, within: outer) { number, exchange throws(MomentumError) in
        step(own[own.startIndex + number], exchange)
      }
    }.flatMap(\.self)
  }

  private func rule() throws -> SGD { try SGD(learningRate: 1, momentum: 0.9) }

  /// Lets all owners take a step and checks that all throw an error of this text, and that nothing was written.
  private func expectAllToFail<S>(_ text: String, _ owners: [Owner<S>], line: UInt = #line) throws {
    for inProcesses in [false, true] {
      let errors = try failures(of: owners, inProcesses: inProcesses)
      XCTAssertEqual(errors.map { $0?.description }, owners.map { _ in text }, line: line)
      for owner in owners {
        XCTAssertEqual(owner.parameters.elements, [1, 2], line: line)
        XCTAssertEqual(owner.optimizer.stepCount, 0, line: line)
        XCTAssertFalse(owner.optimizer.hasVelocity(ofTensor: 0), line: line)
      }
    }
  }

  func testAFailureOfOneIsThatOfAll() throws {
    for failing in 0..<4 {
      // Before anything is measured, and when all is decided.
      for clipping in try [GradientClipping.none, .measureOnly, .byGlobalNorm(1, type: .p(3))] {
        let early = try (0..<4).map { try Owner<Float>("\($0)", rule: rule(), clipping: clipping) }
        early[failing].gradients = 2
        try expectAllToFail("list of gradients has count 2; expected 1", early)
        let late = try (0..<4).map {
          $0 == failing
            ? try Owner<Float>("\($0)", rule: Unsound(), clipping: clipping)
            : try Owner<Float>("\($0)", rule: rule(), clipping: clipping)
        }
        try expectAllToFail(
          "operation 0 of the update rule's program of tensor '\(failing)' uses the direction; expected usesVelocity to be true",
          late)
      }
    }
  }

  func testTheFirstOwnersFailureCounts() throws {
    let owners = try (0..<4).map { try Owner<Double>("\($0)", $0 < 2 ? [3, 4] : [.nan, 4], rule: rule()) }
    try expectAllToFail("gradient of tensor '2' is nan at index 0; expected finite values", owners)
    // Once the cause is gone the same owners go on.
    for owner in owners { owner.gradient = GuardedMemory([3, 4]) }
    let reports = try ThreadExchange.run(owners: 4) { number, exchange throws(MomentumError) in
      try owners[number].step(exchange)
    }
    XCTAssertEqual(reports.map { $0.totalNorm }, [10, 10, 10, 10])
    XCTAssertEqual(owners.map { $0.parameters.elements }, Array(repeating: [-2, -2], count: 4))
  }

  func testOwnersWhoDifferAreRefused() throws {
    let text =
      "exchange is of owners that differ in step, settings or loss scale; expected the same calls with the same settings by "
      + "all owners"
    let types = try [
      Owner<Float>("a", rule: rule()), Owner("b", rule: rule(), clipping: .byGlobalNorm(1, type: .l1)),
    ]
    try expectAllToFail(text, types)
    let scales = try [Owner<Float>("a", rule: rule()), Owner("b", rule: rule())]
    scales[1].optimizer.lossScale = try .fixed(2)
    try expectAllToFail(text, scales)
    let measuring = try [
      Owner<Float>("a", rule: rule(), clipping: .none, policy: .propagate),
      Owner("b", rule: rule(), policy: .propagate),
    ]
    try expectAllToFail(text, measuring)
  }

  func testOnePassIsRefused() throws {
    let owners = try (0..<2).map {
      try Owner<Float>("\($0)", rule: rule(), clipping: .byGlobalNorm(1), mode: .onePass, policy: .propagate)
    }
    try expectAllToFail("mode is onePass; expected twoPass with an exchange, before which nothing is written", owners)
  }

  func testAnOwnerWhoLeavesKeepsNobodyWaiting() throws {
    let owners = try (0..<3).map { try Owner<Float>("\($0)", rule: rule()) }
    expect("exchange is left by owner 1; expected the same calls with the same settings by all owners") {
      try ThreadExchange.run(owners: 3) { number, exchange throws(MomentumError) in
        guard number != 1 else { return }
        _ = try owners[number].step(exchange)
      }
    }
    expect("no tensor named 'x' in the layout") {
      try ThreadExchange.run(owners: 3) { number, exchange throws(MomentumError) in
        if number == 2 { throw .unknownTensor(name: "x") }
        _ = try owners[number].step(exchange)
      }
    }
    expect("owners is 0; expected at least 1") {
      try ThreadExchange.run(owners: 0) { _, _ throws(MomentumError) in 1 }
    }
  }

  // MARK: Clips

  func testFourOwnersClipAsOne() throws {
    var random = SeededGenerator(seed: 62)
    let start: [[Float]] = [random.numbers(5000), random.numbers(3), random.numbers(2048), random.numbers(70)]
    for policy in NonFinitePolicy.allCases {
      for bad in [nil, 1] {
        var gradients = start
        if let bad { gradients[bad][2] = .nan }
        for clipping in try [
          GradientClipping.none, .byGlobalNorm(2), .byGlobalNorm(2, type: .p(3)), .byNorm(3), .byValue(0.5),
          GradientClipping(value: -0.5...0.7, tensor: .norm(4), whole: .norm(5), normType: .p(4)),
        ] {
          let whole = gradients.map { GuardedMemory($0) }
          let expected = Self.report { () throws(MomentumError) in
            try Gradients.clip(
              whole.map(\.buffer), by: clipping, names: ["0", "1", "2", "3"], nonFinitePolicy: policy)
          }
          let parts = gradients.map { GuardedMemory($0) }
          let reports = try ThreadExchange.run(owners: 4) { number, exchange throws(MomentumError) in
            Self.report { () throws(MomentumError) in
              try Gradients.clip(
                [parts[number].buffer], by: clipping, names: ["\(number)"], nonFinitePolicy: policy, exchange: exchange)
            }
          }
          XCTAssertEqual(reports, Array(repeating: expected, count: 4), "\(clipping), \(policy)")
          for (part, whole) in zip(parts, whole) {
            assertSameBits(whole.elements, part.elements, "\(clipping), \(policy)")
          }
        }
      }
    }
  }

  /// A report or an error as text, because NaN does not equal itself.
  private static func report(_ body: () throws(MomentumError) -> ClipReport) -> String {
    do throws(MomentumError) { return "\(try body())" } catch { return "\(error)" }
  }

  // MARK: Two types

  func testTensorsOfTwoTypes() throws {
    // A coefficient that rounds to 1 in Float alone.
    let limit = 5 * (1 - 1e-12)
    let (floats, doubles) = (
      try Owner<Float>("a", [3, 0], rule: rule(), clipping: .byGlobalNorm(limit)),
      try Owner<Double>("b", [0, 4], rule: rule(), clipping: .byGlobalNorm(limit))
    )
    let reports = try ThreadExchange.run(owners: 2) { number, exchange throws(MomentumError) in
      number == 0 ? try floats.step(exchange) : try doubles.step(exchange)
    }
    XCTAssertEqual(reports[0], reports[1])
    XCTAssertEqual(reports[0].totalNorm, 5)
    XCTAssertTrue(reports[0].wasClipped)
    XCTAssertEqual(floats.parameters.elements, [-2, 2])
    XCTAssertEqual(doubles.parameters.elements, [1, 2 - 4 * (limit / 5)])
  }

  // MARK: Accumulated gradients

  func testAccumulatedGradients() throws {
    let owners = try (0..<2).map { try Owner<Float>("\($0)", rule: rule(), clipping: .byGlobalNorm(5)) }
    let reports = try ThreadExchange.run(owners: 2) { number, exchange throws(MomentumError) -> StepReport in
      let owner = owners[number]
      var sum = try GradientAccumulator<Float>(owner.optimizer.layout)
      for gradient: [Float] in number == 0 ? [[6, 0], [0, 0]] : [[0, 0], [0, 8]] {
        try gradient.withUnsafeBufferPointer { (gradient) throws(MomentumError) in try sum.add([gradient], weight: 2) }
      }
      return try owner.optimizer.step(parameters: [owner.parameters.buffer], gradients: &sum, exchange: exchange)
    }
    XCTAssertEqual(reports.map { $0.totalNorm }, [5, 5])
    XCTAssertEqual(owners.map { $0.parameters.elements }, [[-2, 2], [1, -2]])
  }
}
