import Foundation
import Momentum
import XCTest

@testable import MomentumReference

/// That the library agrees with the peers is part of every reference report; here, that a difference would be noticed.
final class PeerFixturesTests: XCTestCase {
  private func folder() throws -> URL {
    try ReferenceFixtures.locate().appending(path: PeerFixtures.folderName)
  }

  private func failed(_ rows: [ReferenceRow]) -> [String] {
    rows.filter { !$0.passed }.map { "\($0.operation), \($0.scalar): \($0.worstErrorUlps) in \($0.worstCase)" }
  }

  func testTheLibraryAgreesWithThePeers() throws {
    let rows = try PeerFixtures(folder: folder()).evaluate()
    XCTAssertEqual(failed(rows), [])
    // Steps, clips and norms of four peers in two types; averages of two; each peer's schedules in the type it computes them in;
    // the rules that each has, of Keras and MLX in Float alone.
    let kinds = Set(try PeerFixtures(folder: folder()).rules.map(\.kind))
    XCTAssertEqual(kinds, ["muon", "muon in f32", "lion", "adamw", "signum"])
    XCTAssertEqual(rows.count, 4 * 2 * 3 + 2 * 2 + 4 + (3 + 4) * 2 + 3 + 3)
    let few = ["schedules"] + kinds
    XCTAssertTrue(rows.allSatisfy { row in row.cases > 30 || few.contains { row.operation.hasSuffix($0) } }, "\(rows)")
  }

  func testEveryPeerIsAskedForWhatItOffers() throws {
    let peers = try PeerFixtures(folder: folder())
    XCTAssertEqual(
      Set(peers.libraries.values.flatMap(\.keys)),
      ["torch", "keras", "tensorflow_cpu", "optax", "jax", "mlx", "numpy"])
    for convention in ["pytorch", "keras", "optax", "mlx"] {
      let steps = peers.steps.filter { $0.convention == convention }
      let clips = peers.clips.filter { $0.convention == convention }
      XCTAssertEqual(Set(steps.map(\.scalar)), ["float", "double"])
      XCTAssertGreaterThan(steps.map(\.stepCount).max() ?? 0, 60)
      XCTAssertTrue(steps.contains { Set($0.phases.map(\.learningRate)).count > 1 })
      XCTAssertTrue(steps.contains { Set($0.phases.map(\.momentum)).count > 1 })
      XCTAssertTrue(steps.contains { $0.nesterov && $0.weightDecay.double > 0 })
      XCTAssertTrue(steps.contains { $0.clipping.globalNorm != nil })
      XCTAssertEqual(steps.contains { $0.dampening.double > 0 }, ["pytorch", "mlx"].contains(convention))
      XCTAssertEqual(steps.contains { $0.maximize }, ["pytorch", "optax"].contains(convention))
      let someMissing = steps.contains { $0.phases.contains { $0.gradients.contains { $0 == nil } } }
      XCTAssertEqual(someMissing, ["pytorch", "keras"].contains(convention))
      XCTAssertEqual((steps.contains { $0.clipping.value != nil }), convention != "mlx")
      XCTAssertEqual((steps.contains { $0.clipping.norm != nil }), ["pytorch", "keras"].contains(convention))
      let rules = peers.rules.filter { $0.convention.rawValue == convention }
      XCTAssertTrue(rules.allSatisfy { $0.stepCount == 20 })
      for kind in Set(rules.map(\.kind)) where kind.hasPrefix("muon") {
        XCTAssertEqual(
          Set(rules.filter { $0.kind == kind }.map(\.rule.nesterov)), [true, false], "\(convention), \(kind)")
      }
      XCTAssertTrue(rules.allSatisfy { ($0.rounding != nil) == ($0.convention == .pytorch && $0.kind == "muon") })
      for name in ["N = 0", "N = C", "C = 0", "C = inf", "C < 0", "C = NaN", "NaN in g", "Inf in g", "N overflows"] {
        XCTAssertTrue(clips.contains { $0.name == name && $0.clipping.globalNorm != nil }, "\(convention): \(name)")
      }
    }
    XCTAssertEqual(Set(peers.clips.map(\.clipping.normType)), ["1", "2", "2.5", "inf"])
  }

  func testEveryDeviationIsOne() throws {
    var peers = try PeerFixtures(folder: folder())
    let deviations = peers.clips.filter { $0.ours != nil }
    XCTAssertGreaterThan(deviations.count, 50)
    // Without the stated deviation the comparison with the peer must fail, each on its own.
    let (steps, original) = (peers.steps, peers)
    (peers.steps, peers.averages, peers.schedules, peers.rules) = ([], [], [], [])
    for index in original.clips.indices where original.clips[index].ours != nil {
      peers.clips = [original.clips[index]]
      peers.clips[0].ours = nil
      peers.clips[0].expected.normIsWrong = true
      peers.steps = [steps.first { $0.convention == peers.clips[0].convention && $0.ours == nil }!]
      let name = "\(peers.clips[0].convention), \(peers.clips[0].scalar): \(peers.clips[0].name)"
      let rows = (try? peers.evaluate()) ?? []
      XCTAssertTrue(rows.isEmpty || !failed(rows).isEmpty, name)
    }
    peers.clips = []
    for test in steps where test.ours != nil {
      peers.steps = [test]
      XCTAssertEqual(failed(try peers.evaluate()), [])
      peers.steps[0].ours = nil
      XCTAssertEqual(failed(try peers.evaluate()).count, 1)
    }
  }

  /// What bfloat16 may have done to a tensor is a few percent of its way: each run of PyTorch's Muon would fail with a learning
  /// rate that is a fifth larger.
  func testRoundingToBFloat16HidesNoOtherStep() throws {
    var peers = try PeerFixtures(folder: folder())
    let runs = peers.rules.filter { $0.rounding != nil }
    XCTAssertEqual(runs.count, 6)
    for run in runs {
      peers.rules = [run]
      let rate = try XCTUnwrap(run.rule.learningRate).value(at: 0)
      peers.rules[0].rule.learningRate = try .constant(rate * 1.2)
      let rows = try peers.evaluateRules(Float.self, "pytorch") + peers.evaluateRules(Double.self, "pytorch")
      XCTAssertEqual(failed(rows).count, 1, run.name)
    }
  }

  func testOneChangedDigitInAnyFileIsNoticed() throws {
    let copy = FileManager.default.temporaryDirectory.appending(path: "peers-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: folder(), to: copy)
    addTeardownBlock { try FileManager.default.removeItem(at: copy) }
    let files = try FileManager.default.contentsOfDirectory(atPath: copy.path).filter { $0.hasSuffix(".json") }
    XCTAssertEqual(files.count, 18)
    for file in files {
      let url = copy.appending(path: file)
      let original = try Data(contentsOf: url)
      var changed = original
      let place = try XCTUnwrap(original.lastIndex { (48...57).contains($0) })
      changed[place] = original[place] == 49 ? 50 : 49
      try changed.write(to: url)
      XCTAssertThrowsError(try PeerFixtures(folder: copy)) {
        guard case .changed(let name, _, _)? = $0 as? ReferenceError else { return XCTFail("\($0)") }
        XCTAssertEqual(name, file)
      }
      try original.write(to: url)
    }
    XCTAssertNoThrow(try PeerFixtures(folder: copy))
  }

  func testMovedValuesAreNoticed() throws {
    var peers = try PeerFixtures(folder: folder())
    for index in peers.steps.indices {
      guard let tensor = peers.steps[index].due.parameters.firstIndex(where: { !$0.isEmpty }) else { continue }
      peers.steps[index].expected.parameters[tensor][0].double += 1
      peers.steps[index].phases[0].norm.double = peers.steps[index].phases[0].norm.double * 1.00001 + 0x1p-40
    }
    for index in peers.averages.indices {
      guard let tensor = peers.averages[index].expected.average?.firstIndex(where: { !$0.isEmpty }) else { continue }
      peers.averages[index].expected.average![tensor][0].double += 1
    }
    for index in peers.schedules.indices { peers.schedules[index].values[17].double += 0.001 }
    for index in peers.rules.indices { peers.rules[index].expected[0][0].double += 10 }
    for index in peers.clips.indices {
      let place = peers.clips[index].expected.tensors?.firstIndex { $0.first?.double.isFinite == true }
      guard let place else { continue }
      peers.clips[index].expected.tensors![place][0].double += 1000
    }
    let rows = try peers.evaluate()
    XCTAssertTrue(rows.allSatisfy { !$0.passed }, "\(rows.filter(\.passed).map(\.operation))")
  }
}
