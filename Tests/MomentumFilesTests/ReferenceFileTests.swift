import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

/// A file of the reference writer; see the README beside it.
final class ReferenceFileTests: FolderTestCase {
  private let reference = Checkout.fixture("safetensors/reference.safetensors").path

  func testReadsIt() throws {
    let file = try SafetensorsFile(path: reference)
    XCTAssertEqual(file.tensors.map(\.name), ["layer/é😀\"", "scale", "bits", "none", "weight"])
    XCTAssertEqual(file.tensors.map(\.shape), [[2], [], [6], [0, 3], [2, 3]])
    XCTAssertEqual(file.metadata, ["step": "3"])
    XCTAssertEqual(try file.bits(of: "bits"), [0x7FC1_2345, 0xFF80_0001, 0x7F80_0000, 0x8000_0000, 1, 0x3F80_0000])
    XCTAssertEqual(try file.bits(of: "weight"), [0, 0.25, 0.5, 0.75, 1, 1.25].map { Float($0).bitPattern })
    XCTAssertEqual(try file.bits(of: "none"), [])
    XCTAssertEqual(try file.doubleBits(of: "scale"), [(0.1).bitPattern])
    XCTAssertEqual(
      try file.doubleBits(of: "layer/é😀\""), [(-1.5).bitPattern, Double.leastNonzeroMagnitude.bitPattern])
  }

  func testWritesTheSameBytes() throws {
    let file = try SafetensorsFile(path: reference)
    var writer = SafetensorsWriter(path: path("copy"), metadata: file.metadata)
    // The order in which tensors are given does not matter.
    for tensor in file.tensors.reversed() {
      switch tensor.dtype {
      case .f32:
        try writer.add(tensor.name, shape: tensor.shape, values: file.unsafeBuffer(of: tensor.name, as: Float.self))
      default:
        try writer.add(tensor.name, shape: tensor.shape, values: file.unsafeBuffer(of: tensor.name, as: Double.self))
      }
    }
    try writer.write()
    XCTAssertEqual(try contents("copy"), Array(try Data(contentsOf: URL(fileURLWithPath: reference))))
  }
}
