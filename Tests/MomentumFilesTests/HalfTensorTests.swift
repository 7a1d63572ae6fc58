import Momentum
import MomentumFiles
import XCTest

/// Tensors of half precision in files.
final class HalfTensorTests: FolderTestCase {
  /// At an odd place too, which the format allows.
  func testBFloat16IsReadWhereverItLies() throws {
    let header =
      #"{"u":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[3,7]}}"#
    let data: [UInt8] = [9, 9, 9, 0xcd, 0x3d, 0x80, 0xbf]
    for shift in 0..<4 {
      let spaces = (8 + shift - header.utf8.count % 8) % 8
      let bytes = fileBytes(header: Array(header.utf8) + [UInt8](repeating: 32, count: spaces), data: data)
      let file = try SafetensorsFile(path: try store(bytes, as: "file"))
      try file.withUnsafeBuffer(of: "b", as: BFloat16.self) { values in
        XCTAssertEqual(Array(values), [0.1, -1], "shift \(shift)")
      }
      XCTAssertThrowsError(try file.unsafeBuffer(of: "b", as: Float.self)) {
        XCTAssertEqual(
          ($0 as? SafetensorsError)?.reason, .dtypeMismatch(tensor: "b", dtype: .bf16, expected: .f32))
      }
    }
  }

  func testBothTypesAreWrittenAndChangedInMemory() throws {
    let halves: [BFloat16] = [0.1, -2, .infinity]
    var writer = SafetensorsWriter(path: path("b"))
    try halves.withUnsafeBufferPointer { halves in
      try writer.add("b", shape: [3], values: halves)
      try writer.write()
    }
    let file = try SafetensorsFile(path: path("b"), access: .copyOnWrite)
    XCTAssertEqual(file.tensor(named: "b")?.dtype, .bf16)
    try file.withUnsafeMutableBuffer(of: "b", as: BFloat16.self) { values in
      XCTAssertEqual(Array(values), halves)
      values[0] = 7
      XCTAssertEqual(values[0], 7)
    }
    #if !(os(macOS) && arch(x86_64))
      let others: [Float16] = [0.1, 65504]
      var second = SafetensorsWriter(path: path("h"))
      try others.withUnsafeBufferPointer { others in
        try second.add("h", shape: [2], values: others)
        try second.write()
      }
      try SafetensorsFile(path: path("h")).withUnsafeBuffer(of: "h", as: Float16.self) {
        XCTAssertEqual(Array($0), others)
      }
    #endif
  }
}
