import Foundation
import Momentum
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Masters of `momentum step`: what their copies are.
final class StepMasterTests: XCTestCase {
  // MARK: Copies

  func testCopiesAreTheMastersRoundedOnceBFloat16() throws { try copiesAreTheMastersRoundedOnce(BFloat16.self) }
  #if !(os(macOS) && arch(x86_64))
    func testCopiesAreTheMastersRoundedOnceFloat16() throws { try copiesAreTheMastersRoundedOnce(Float16.self) }
  #endif

  private func copiesAreTheMastersRoundedOnce<Half: TestHalf & SafetensorsScalar>(_: Half.Type) throws {
    try CheckpointFolder.with { folder in
      var random = SeededGenerator(seed: 71)
      // From below the least number of Float16 to above its largest one; then some that stay where they are, on ties and
      // beside them.
      let moving: [Float] = random.numbers(6000, exponents: -27...16)
      let ties: [Float] = [0x1.004p0, 0x1.00cp0, 0x1.01p0, 0x1.03p0, 65519.996, 65520, 0x1p-25, 0x1.8p-24, 0x1p-134]
      let staying = ties.flatMap { [$0.nextDown, $0, $0.nextUp] }.flatMap { [$0, -$0] }
      let masters = moving + staying
      let gradients = random.numbers(moving.count, as: Float.self) + staying.map { _ in 0 }
      try folder.write("m", [StoredTensor("w", masters)])
      try folder.write("p", [StoredTensor("w", masters.map { Half($0) })])
      try folder.write("g", [StoredTensor("w", gradients.map { BFloat16($0) })])
      assertSucceeds(
        try folder.step(
          "p", "out", ["--gradients", "g", "--learning-rate", "0.01", "--master", "m", "--output-master", "m2"]))
      let moved = try XCTUnwrap(folder.read("m2")["w"]).values(as: Float.self)
      XCTAssertEqual(Array(moved[moving.count...]), staying)
      XCTAssertGreaterThan(zip(moved, moving).count { $0 != $1 }, 3000)
      let copies = try XCTUnwrap(folder.read("out")["w"]).values(as: Half.self)
      XCTAssertEqual(copies.map(\.bitPattern), moved.map { HalfOracle.bits($0, Half.elementType) })
    }
  }
}
