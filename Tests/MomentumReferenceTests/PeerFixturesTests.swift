import Foundation
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
    // Steps, clips and norms of four peers in two types; averages of two; each peer's schedules in the type it computes them in.
    XCTAssertEqual(rows.count, 4 * 2 * 3 + 2 * 2 + 4)
    XCTAssertTrue(rows.allSatisfy { $0.operation.hasSuffix("schedules") || $0.cases > 30 }, "\(rows)")
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
    (peers.steps, peers.averages, peers.schedules) = ([], [], [])
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

  func testOneChangedDigitInAnyFileIsNoticed() throws {
    let copy = FileManager.default.temporaryDirectory.appending(path: "peers-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: folder(), to: copy)
    addTeardownBlock { try FileManager.default.removeItem(at: copy) }
    let files = try FileManager.default.contentsOfDirectory(atPath: copy.path).filter { $0.hasSuffix(".json") }
    XCTAssertEqual(files.count, 14)
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
    for index in peers.clips.indices {
      let place = peers.clips[index].expected.tensors?.firstIndex { $0.first?.double.isFinite == true }
      guard let place else { continue }
      peers.clips[index].expected.tensors![place][0].double += 1000
    }
    let rows = try peers.evaluate()
    XCTAssertTrue(rows.allSatisfy { !$0.passed }, "\(rows.filter(\.passed).map(\.operation))")
  }
}
