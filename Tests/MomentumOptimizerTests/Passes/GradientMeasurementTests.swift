import MomentumTestSupport
import XCTest

@testable import Momentum

/// Measuring apart from deciding: what several owners of a gradient have measured, merged, decides for each of them as the
/// whole would.
final class GradientMeasurementTests: XCTestCase {
  /// The part of a gradient that one owner has: cut between tiles.
  private struct Owner<S: BLASScalar> {
    let memory: GuardedMemory<S>
    let table: TensorTable<S>
    let stage: ClipStage
    var outcome = ClipStage.Outcome()

    init(_ elements: ArraySlice<S>, _ settings: ClipSettings) throws {
      memory = GuardedMemory(Array(elements))
      memory.forbidWriting()
      table = try TensorTable(counts: [elements.count])
      table.bindGradients([UnsafeMutablePointer(mutating: memory.readOnlyBuffer.baseAddress)])
      stage = ClipStage(settings)
    }
  }

  private let team = ThreadTeam(1, elements: 1)

  func testFourOwnersDecideAsOneFloat() throws { try compare(Float.self) }
  func testFourOwnersDecideAsOneDouble() throws { try compare(Double.self) }

  private func compare<S: BLASScalar>(_: S.Type) throws {
    var random = SeededGenerator(seed: 33)
    let elements: [S] = random.numbers(7 * Tile.count + 77)
    let cuts = [0, 1, 4, 5].map { $0 * Tile.count } + [elements.count]
    for type in [NormType.l2, .l1, .infinity] {
      for algorithm in NormAlgorithm.allCases {
        let clipping = try GradientClipping(whole: .norm(0.5), normType: type, algorithm: algorithm)
        let settings = ClipSettings(clipping, convention: .native, policy: .throw)
        var whole = try Owner(elements[...], settings)
        try whole.stage.decide(whole.table.measure(plan(whole), team), whole.table, &whole.outcome, team)
        XCTAssertTrue(whole.outcome.report.wasClipped)

        var owners = try zip(cuts, cuts.dropFirst()).map { try Owner(elements[$0..<$1], settings) }
        let measured = owners.map(measure)
        // Any order gives the same bits.
        let total = try XCTUnwrap(
          measured.reversed().reduce(nil) { (sum: NormPartial?, part) in
            guard var sum else { return part }
            sum.merge(part)
            return sum
          })
        for index in owners.indices {
          try owners[index].stage.decide(
            GradientMeasurement(total: MeasuredNorm(total)), owners[index].table, &owners[index].outcome, team)
          XCTAssertEqual(owners[index].outcome.report, whole.outcome.report, "\(type), \(algorithm), owner \(index)")
          XCTAssertEqual(owners[index].table.decisions[0].coefficient, whole.table.decisions[0].coefficient)
        }
      }
    }
  }

  func testANaNOfOneOwnerIsTheVerdictOfAll() throws {
    let settings = ClipSettings(.none, convention: .native, policy: .skipStep)
    var owners = try [Owner<Float>([1, 2], settings), Owner<Float>([3, .nan], settings)]
    var total = measure(owners[0])
    total.merge(measure(owners[1]))
    for index in owners.indices {
      try owners[index].stage.decide(
        GradientMeasurement(total: MeasuredNorm(total)), owners[index].table, &owners[index].outcome, team)
      XCTAssertTrue(owners[index].outcome.report.wasSkipped, "owner \(index)")
      XCTAssertEqual(owners[index].outcome.report.nanCount, 1)
    }
  }

  /// What an owner tells the others.
  private func measure<S>(_ owner: Owner<S>) -> NormPartial {
    let total = owner.table.measure(plan(owner), team).total
    let partial = owner.table.total(owner.stage.settings.normType, owner.table.measured())
    XCTAssertEqual(MeasuredNorm(partial).finite, total.finite)
    XCTAssertEqual(partial.nanCount + partial.infinityCount, total.nanCount + total.infinityCount)
    return partial
  }

  private func plan<S>(_ owner: Owner<S>) -> MeasurementPlan { owner.stage.measurementPlan(owner.outcome) }
}
