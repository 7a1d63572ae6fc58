import MomentumTestSupport
import XCTest

@testable import Momentum

/// Owners that hold some tensors together, each of which one of them counts: every copy is stepped as one owner of all tensors
/// would step it, bit for bit.
final class SharingExchangeTests: XCTestCase {
  private static let counts = [15, 2049, 3, 2400, 7]
  /// The tensors of each owner, and those that another one counts.
  private static let owners: [(tensors: [Int], countedElsewhere: Set<String>)] = [
    ([0, 1, 2], ["tensor 2"]), ([1, 2, 3], ["tensor 1"]), ([1, 4, 2], ["tensor 1", "tensor 2"]),
  ]

  private final class Owner: @unchecked Sendable {  // each is used by one thread at a time
    var optimizer: Optimizer<Float>
    let tensors: [Int]
    var parameters: [[Float]]

    init(_ tensors: [Int], _ start: [[Float]], _ clipping: GradientClipping, _ policy: NonFinitePolicy) throws {
      self.tensors = tensors
      parameters = tensors.map { start[$0] }
      let groups = [
        ParameterGroup(
          "odd", ["tensor [13]"], clipping: try .byGlobalNorm(20, type: clipping.normType), mayBeEmpty: true)
      ]
      optimizer = try Optimizer(
        ParameterLayout(tensors.map { ("tensor \($0)", [SharingExchangeTests.counts[$0]]) }),
        rule: SGD(learningRate: 0.1, momentum: 0.9), groups: groups, clipping: clipping, nonFinitePolicy: policy)
    }

    func step(_ gradients: [[Float]], _ exchange: (any NormExchange)?) throws(MomentumError) -> StepReport {
      let memory = (tensors.map { GuardedMemory(gradients[$0]) }, parameters.map { GuardedMemory($0) })
      defer { parameters = memory.1.map(\.elements) }
      let (read, written) = (memory.0.map { Optional($0.readOnlyBuffer) }, memory.1.map(\.buffer))
      guard let exchange else { return try optimizer.step(parameters: written, gradients: read) }
      return try optimizer.step(parameters: written, gradients: read, exchange: exchange)
    }
  }

  private func owners(
    _ start: [[Float]], _ clipping: GradientClipping, _ policy: NonFinitePolicy = .throw
  ) throws -> [Owner] {
    try Self.owners.map { try Owner($0.tensors, start, clipping, policy) }
  }

  /// One step of every owner, whose gradients may be changed first.
  private func step(
    _ owners: [Owner], _ gradients: [[Float]], elsewhere: [Set<String>] = SharingExchangeTests.owners.map(\.1),
    _ change: @escaping @Sendable (Int, inout [[Float]]) -> Void = { _, _ in }
  ) throws -> [Result<StepReport, MomentumError>] {
    try ThreadExchange.run(owners: owners.count) { number, exchange throws(MomentumError) in
      var gradients = gradients
      change(number, &gradients)
      do throws(MomentumError) {
        return .success(
          try owners[number].step(gradients, SharingExchange(exchange, countedElsewhere: elsewhere[number])))
      } catch {
        return .failure(error)
      }
    }
  }

  func testWhatOneLeavesToOthersStaysWithThem() {
    struct Alone: NormExchange {
      func merge(_ message: inout NormMessage) throws(MomentumError) {}
    }
    let inner = SharingExchange(Alone(), countedElsewhere: ["a"])
    XCTAssertEqual(SharingExchange(inner, countedElsewhere: []).countedElsewhere, ["a"])
    XCTAssertEqual(SharingExchange(inner, countedElsewhere: ["b"]).countedElsewhere, ["a", "b"])
  }

  func testEveryCopyIsSteppedAsByOneOwner() throws {
    for clipping in try [
      GradientClipping.none, .measureOnly, .byGlobalNorm(3), .byGlobalNorm(3, type: .l1),
      .byGlobalNorm(0.2, type: .infinity), .byGlobalNorm(3, type: .p(3)), .normalized(to: 7), .byNorm(0.5),
      GradientClipping(value: -0.5...0.7, tensor: .norm(4), whole: .norm(5)),
    ] {
      var random = SeededGenerator(seed: 71)
      let start: [[Float]] = Self.counts.map { random.numbers($0) }
      let whole = try Owner(Array(Self.counts.indices), start, clipping, .throw)
      let parts = try owners(start, clipping)
      for number in 1...2 {
        let gradients: [[Float]] = Self.counts.map { random.numbers($0) }
        let expected = try whole.step(gradients, nil)
        for outcome in try step(parts, gradients) {
          var report = try outcome.get()
          // Elements that are clipped by value are counted by every owner.
          XCTAssertGreaterThanOrEqual(report.clip.valueClippedCount, expected.clip.valueClippedCount)
          report.clip.valueClippedCount = expected.clip.valueClippedCount
          XCTAssertEqual("\(report)", "\(expected)", "\(clipping), step \(number)")
        }
        for part in parts {
          for (tensor, parameters) in zip(part.tensors, part.parameters) {
            assertSameBits(whole.parameters[tensor], parameters, "tensor \(tensor), \(clipping), step \(number)")
          }
        }
      }
    }
  }

  func testACopyThatIsNotFiniteIsNotOverlooked() throws {
    var random = SeededGenerator(seed: 72)
    let start: [[Float]] = Self.counts.map { random.numbers($0) }
    let gradients: [[Float]] = Self.counts.map { random.numbers($0) }
    for (policy, expected) in [
      (NonFinitePolicy.throw, MomentumError.nonFiniteGradient(tensor: "tensor 2", index: 1, value: .infinity)),
      (
        .skipStep,
        .invalidSetting(
          name: "countedElsewhere", value: "tensors whose gradients hold a NaN or an infinity here only",
          expected: "the same gradients by all owners of a tensor")
      ),
    ] {
      let parts = try owners(start, .byGlobalNorm(3), policy)
      // The last owner does not count tensor 2.
      for outcome in try step(parts, gradients, { if $0 == 2 { $1[2][1] = .infinity } }) {
        XCTAssertEqual(outcome, .failure(expected), "\(policy)")
      }
      for part in parts { XCTAssertEqual(part.parameters, part.tensors.map { start[$0] }) }
      // In all copies it is found by the owner that counts them.
      let outcomes = try step(parts, gradients) { $1[2][1] = .infinity }
      if policy == .skipStep {
        for outcome in outcomes {
          XCTAssertTrue(try outcome.get().wasSkipped)
          XCTAssertEqual(try outcome.get().clip.infinityCount, 1)
        }
      }
    }
  }

  /// Two threads are one owner among others: each holds some of the tensors that others count, or none.
  func testThreadsOfOneOwnerHoldSharedTensorsTogether() throws {
    var random = SeededGenerator(seed: 74)
    let start: [[Float]] = Self.counts.map { random.numbers($0) }
    let gradients: [[Float]] = Self.counts.map { random.numbers($0) }
    let whole = try Owner(Array(Self.counts.indices), start, .byGlobalNorm(3), .throw)
    let expected = try whole.step(gradients, nil)
    func outcomes(_ elsewhere: Set<String>) throws -> (owners: [Owner], [Result<StepReport, MomentumError>]) {
      let owners = try [[0, 2], [1, 4], [3, 2], [1]].map { try Owner($0, start, .byGlobalNorm(3), .throw) }
      let found = try ThreadExchange.run(owners: 2) { process, outer throws(MomentumError) in
        let shared = SharingExchange(outer, countedElsewhere: process == 0 ? [] : elsewhere)
        return try ThreadExchange.run(owners: 2, within: shared) {
          number, exchange throws(MomentumError) -> Result<StepReport, MomentumError> in
          do throws(MomentumError) {
            return .success(try owners[2 * process + number].step(gradients, exchange))
          } catch {
            return .failure(error)
          }
        }
      }
      return (owners, found.flatMap { $0 })
    }
    let (owners, reports) = try outcomes(["tensor 1", "tensor 2"])
    for report in reports { XCTAssertEqual("\(try report.get())", "\(expected)") }
    for owner in owners {
      for (tensor, parameters) in zip(owner.tensors, owner.parameters) {
        assertSameBits(whole.parameters[tensor], parameters, "tensor \(tensor)")
      }
    }
    // One that none of the threads holds is refused by all owners.
    let (unchanged, errors) = try outcomes(["tensor 1", "tensor 2", "tensor 4"])
    for error in errors {
      XCTAssertEqual(
        error,
        .failure(
          .invalidSetting(
            name: "countedElsewhere", value: "tensor 4", expected: "the names of tensors of any of the owners")))
    }
    for owner in unchanged { XCTAssertEqual(owner.parameters, owner.tensors.map { start[$0] }) }
  }

  func testNamesAndCountsAreChecked() throws {
    var random = SeededGenerator(seed: 73)
    let start: [[Float]] = Self.counts.map { random.numbers($0) }
    let parts = try owners(start, .byGlobalNorm(3))
    for outcome in try step(parts, start, elsewhere: [["tensor 3"], ["tensor 1"], []]) {
      XCTAssertEqual(
        outcome,
        .failure(
          .invalidSetting(name: "countedElsewhere", value: "tensor 3", expected: "the names of own tensors")))
    }
    // The number of elements of a message is that of the model.
    let elements = try ThreadExchange.run(owners: 3) { number, exchange throws(MomentumError) in
      let counting = CountingExchange(base: exchange)
      _ = try parts[number].step(
        start, SharingExchange(counting, countedElsewhere: Self.owners[number].countedElsewhere))
      return counting.elements.max()
    }
    XCTAssertEqual(elements, Array(repeating: Self.counts.reduce(0, +), count: 3))
  }

  /// Keeps the number of elements of all.
  private final class CountingExchange: NormExchange {
    private let base: any NormExchange
    private(set) var elements: [Int] = []

    init(base: any NormExchange) { self.base = base }

    func merge(_ message: inout NormMessage) throws(MomentumError) {
      try base.merge(&message)
      elements.append(message.elements)
    }
  }
}
