import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// State files of a model that has got more tensors or lost some. The reference is the migration in memory.
final class StateFileMigrationTests: StateFileTestCase {
  /// The optimizer of a configuration with other tensors.
  private func optimizer(_ json: String, _ tensors: [(String, [Int])]) throws -> Optimizer<Float> {
    try configuration(json).makeOptimizer(ParameterLayout(tensors.map { ($0.0, $0.1) }))
  }

  private let changed: [(String, [Int])] = [("bias", [3]), ("new", [2, 2]), ("weight", [7, 10]), ("empty", [0, 4])]

  func testFilesOfAllKindsAreThoseInMemory() throws {
    let data = Data<Float>(steps: 5)
    for json in Self.configurations {
      for steps in [2, 5] {
        let run = try run(json, data, steps: 0..<steps)
        var expected = try optimizer(json, changed)
        let (state, migration) = try run.optimizer.state().migrated(to: expected.layout)
        try expected.restore(state)
        try StateFile.save(run.optimizer, to: path("state"))
        let memory = run.parameters.map { GuardedMemory($0) }
        try Checkpoint.save(run.optimizer, parameters: memory.map(\.buffer), to: path("run"))
        for name in ["state", "run"] {
          var migrated = try optimizer(json, changed)
          XCTAssertEqual(try StateFile.migrate(path(name), into: &migrated).added, ["new"])
          XCTAssertEqual(try StateFile.migrate(path(name), into: &migrated), migration)
          XCTAssertEqual(migrated.state(), expected.state(), json)
        }
        XCTAssertEqual(migration.dropped, ["long"])
      }
    }
  }

  func testAFileOfOnePart() throws {
    let data = Data<Float>(steps: 4)
    let run = try run(Self.configurations[0], data, steps: 0..<4)
    try StateFile.save(run.optimizer, to: path("velocity"), parts: .velocity)
    var migrated = try optimizer(Self.configurations[0], changed)
    let migration = try StateFile.migrate(path("velocity"), into: &migrated, parts: .velocity)
    XCTAssertEqual("\(migration)", "added 'new'; dropped 'long'")
    XCTAssertEqual(migrated.stepCount, run.optimizer.stepCount)
    run.optimizer.withUnsafeVelocity(ofTensor: 0) { old in
      migrated.withUnsafeVelocity(ofTensor: 2) { assertSameBits(Array(old), Array($0)) }
    }
    XCTAssertFalse(migrated.hasAverage(ofTensor: 2))
    XCTAssertThrowsError(try StateFile.migrate(path("velocity"), into: &migrated)) {
      XCTAssertEqual(
        "\($0)",
        "\(path("velocity")): holds the velocity of an optimizer only; expected the velocity and average")
    }
  }

  func testAnAddedTensorIsRefusedWithTheWayToGoOn() throws {
    let json = Self.configurations[1]
    let run = try run(json, Data<Float>(steps: 2), steps: 0..<2)
    try StateFile.save(run.optimizer, to: path("state"))
    var more = try optimizer(json, Self.tensors + [("head", [2])])
    XCTAssertThrowsError(try StateFile.load(path("state"), into: &more)) {
      XCTAssertEqual(
        "\($0)",
        "\(path("state")): tensor 'head' is missing; expected it as the optimizer and the metadata have it "
          + "(StateFile.migrate adds tensors to a state)")
    }
    XCTAssertEqual(more.stepCount, 0)
    XCTAssertEqual(try StateFile.migrate(path("state"), into: &more).added, ["head"])
    XCTAssertEqual(more.stepCount, run.optimizer.stepCount)
  }

  func testAnotherShapeIsRefused() throws {
    let json = Self.configurations[1]
    let run = try run(json, Data<Float>(steps: 2), steps: 0..<2)
    try StateFile.save(run.optimizer, to: path("state"))
    var other = try optimizer(json, [("weight", [70])])
    XCTAssertThrowsError(try StateFile.migrate(path("state"), into: &other)) {
      XCTAssertEqual(
        "\($0)", "\(path("state")): tensor 0 of the state is 'weight' of shape [7, 10]; expected 'weight' of shape [70]"
      )
    }
    XCTAssertEqual(other.stepCount, 0)
  }
}
