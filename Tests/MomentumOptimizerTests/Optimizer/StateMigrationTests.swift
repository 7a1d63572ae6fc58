import Foundation
import Momentum
import MomentumTestSupport
import XCTest

/// States of a model that has got more tensors or lost some, and states that hold what JSON has no numbers for.
final class StateMigrationTests: XCTestCase {
  private func optimizer(_ tensors: [(String, [Int])]) throws -> Optimizer<Double> {
    try Optimizer<Double>(
      ParameterLayout(tensors.map { ($0.0, $0.1) }), rule: SGD(learningRate: 0.5, momentum: 0.5),
      averaging: .exponential(decay: 0.5))
  }

  private func step(_ optimizer: inout Optimizer<Double>, seed: UInt64) throws -> [String: [Double]] {
    var parameters = try ParameterVector<Double>(optimizer.layout)
    var gradients = try ParameterVector<Double>(optimizer.layout)
    // Every tensor's own numbers, wherever it lies.
    for tensor in optimizer.layout.tensors {
      var random = SeededGenerator(seed: seed &+ UInt64(tensor.name.utf8.first!))
      for (index, value) in zip(tensor.range, random.numbers(tensor.count, as: Double.self)) {
        gradients[index] = value
      }
    }
    try optimizer.step(&parameters, gradients: gradients)
    var results: [String: [Double]] = [:]
    for tensor in optimizer.layout.tensors { results[tensor.name] = tensor.range.map { parameters[$0] } }
    return results
  }

  func testTensorsKeepWhatTheyHadWhereverTheyLie() throws {
    var old = try optimizer([("a", [3]), ("b", [2, 2]), ("c", [1])])
    for seed in 0..<3 { _ = try step(&old, seed: UInt64(seed)) }
    var new = try optimizer([("n", [5]), ("c", [1]), ("a", [3])])
    let (state, migration) = try old.state().migrated(to: new.layout)
    XCTAssertEqual(migration.added, ["n"])
    XCTAssertEqual(migration.dropped, ["b"])
    XCTAssertEqual("\(migration)", "added 'n'; dropped 'b'")
    XCTAssertFalse(migration.isEmpty)
    try new.restore(state)
    XCTAssertEqual(new.stepCount, 3)
    XCTAssertEqual((0..<3).map { new.hasVelocity(ofTensor: $0) }, [false, true, true])
    XCTAssertEqual((0..<3).map { new.stepsAveraged(ofTensor: $0) }, [0, 3, 3])
    var first = try optimizer([("n", [5])])
    let (x, y, z) = (try step(&old, seed: 7), try step(&new, seed: 7), try step(&first, seed: 7))
    assertSameBits(x["a"]!, y["a"]!)
    assertSameBits(x["c"]!, y["c"]!)
    assertSameBits(z["n"]!, y["n"]!, "a first step")
    XCTAssertEqual(new.stepsAveraged(ofTensor: 0), 1)
  }

  func testAnotherOrderAddsAndDropsNothing() throws {
    let old = try optimizer([("a", [3]), ("b", [2])])
    let (_, migration) = try old.state().migrated(to: ParameterLayout([("b", [2]), ("a", [3])]))
    XCTAssertTrue(migration.isEmpty)
    XCTAssertEqual("\(migration)", "added nothing; dropped nothing")
  }

  func testWhatIsRefused() throws {
    let state = try optimizer([("a", [3]), ("b", [2])]).state()
    expect("tensor 1 of the state is 'a' of shape [3]; expected 'a' of shape [1, 3]") {
      try state.migrated(to: ParameterLayout([("b", [2]), ("a", [1, 3])]))
    }
    var short = state
    short.direction = [1]
    expect("direction has count 1; expected 5") { try short.migrated(to: ParameterLayout(count: 1)) }
    let object =
      #"{"stepCount": 1, "lastStepClipped": false, "velocities": [], "direction": [], "averages": [], "average": [], "lossScale": 1}"#
    let unnamed = try JSONDecoder().decode(OptimizerState<Double>.self, from: Data(object.utf8))
    expect("layout of the state is missing; expected one, which states of version 0.1 do not have") {
      try unnamed.migrated(to: ParameterLayout(count: 1))
    }
  }

  func testAStateWithNaNIsEncoded() throws {
    var state = try optimizer([("a", [4])]).state()
    state.velocities[0].isSet = true
    state.direction = [1.5, .nan, .infinity, -.infinity]
    let data = try JSONEncoder().encode(state)
    XCTAssertTrue(String(decoding: data, as: UTF8.self).contains(#""direction":[1.5,"nan","inf","-inf"]"#))
    let decoded = try JSONDecoder().decode(OptimizerState<Double>.self, from: data)
    XCTAssertEqual(decoded.direction.map(\.isNaN), [false, true, false, false])
    XCTAssertEqual(decoded.direction[2...], [.infinity, -.infinity])
    var optimizer = try optimizer([("a", [4])])
    expect("velocity of tensor 'a' is nan at index 1; expected finite values") { try optimizer.restore(decoded) }
    let damaged = Data(String(decoding: data, as: UTF8.self).replacing("\"inf\"", with: "\"much\"").utf8)
    XCTAssertThrowsError(try JSONDecoder().decode(OptimizerState<Double>.self, from: damaged)) { error in
      guard case DecodingError.dataCorrupted(let context) = error else { return XCTFail("\(error)") }
      XCTAssertEqual(context.debugDescription, "element is 'much'; expected a number, nan, inf or -inf")
    }
  }
}
