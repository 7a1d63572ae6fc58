import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

/// What is written, and what is refused.
final class SafetensorsWriterTests: FolderTestCase {
  /// Adds values that stay alive by leaking, which a test may do.
  private func add<Scalar: SafetensorsScalar>(
    _ values: [Scalar], _ name: String, shape: [Int], to writer: inout SafetensorsWriter
  ) throws {
    let copy = UnsafeMutableBufferPointer<Scalar>.allocate(capacity: values.count)
    _ = copy.initialize(from: values)
    addTeardownBlock { copy.deallocate() }
    try writer.add(name, shape: shape, values: UnsafeBufferPointer(copy))
  }

  func testRoundTripKeepsEveryBit() throws {
    var generator = SeededGenerator(seed: 7)
    let floats = (0..<1001).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator)) }
    let doubles = (0..<77).map { _ in Double(bitPattern: generator.next()) }
    let special: [Float] = [
      .nan, .signalingNaN, Float(bitPattern: 0xFFC0_1234), .infinity, -.infinity, -0.0, .leastNonzeroMagnitude,
    ]
    let names = ["floats", "doubles", "special", "", "é", "e\u{301}", "日本/\u{1F600}\n\"\\\0\u{7F}"]
    var writer = SafetensorsWriter(path: path("file"), metadata: ["a\n": "é\"\u{1}", "": ""])
    try add(floats, names[0], shape: [7, 11, 13], to: &writer)
    try add(doubles, names[1], shape: [77], to: &writer)
    try add(special, names[2], shape: [7, 1], to: &writer)
    try add([Float](), names[3], shape: [3, 0, 2], to: &writer)
    try add([Double](), names[4], shape: [0], to: &writer)
    try add([2.5 as Double], names[5], shape: [], to: &writer)
    try add([3.5 as Float], names[6], shape: [], to: &writer)
    try writer.write()

    let file = try SafetensorsFile(path: path("file"))
    XCTAssertEqual(file.metadata, ["a\n": "é\"\u{1}", "": ""])
    XCTAssertEqual(file.header.dataStart % 8, 0)
    XCTAssertEqual(file.tensors.count, names.count)
    XCTAssertEqual(file.tensor(named: names[0])?.shape, [7, 11, 13])
    XCTAssertEqual(file.tensor(named: names[3])?.shape, [3, 0, 2])
    XCTAssertEqual(file.tensor(named: names[5])?.shape, [])
    XCTAssertEqual(try file.bits(of: names[0]), floats.map(\.bitPattern))
    XCTAssertEqual(try file.doubleBits(of: names[1]), doubles.map(\.bitPattern))
    XCTAssertEqual(try file.bits(of: names[2]), special.map(\.bitPattern))
    XCTAssertEqual(try file.bits(of: names[3]), [])
    XCTAssertEqual(try file.doubleBits(of: names[4]), [])
    XCTAssertEqual(try file.doubleBits(of: names[5]), [(2.5).bitPattern])
    XCTAssertEqual(try file.bits(of: names[6]), [Float(3.5).bitPattern])
  }

  func testBytesDependOnTheContentOnly() throws {
    var written: [[UInt8]] = []
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
      var writer = SafetensorsWriter(path: path("file"))
      for key in order { writer.metadata["key\(key)"] = "\(key)" }
      for index in order {
        switch index {
        case 0: try add([1 as Float], "b", shape: [1], to: &writer)
        case 1: try add([2 as Float], "B", shape: [1], to: &writer)
        case 2: try add([3 as Double], "z", shape: [], to: &writer)
        default: try writer.add("a", dtype: .u64, shape: [0], bytes: UnsafeRawBufferPointer(start: nil, count: 0))
        }
      }
      try writer.write()
      written.append(try contents("file"))
    }
    XCTAssertEqual(written[0], written[1])
    XCTAssertEqual(written[0], written[2])

    let header =
      #"{"__metadata__":{"key0":"0","key1":"1","key2":"2","key3":"3"},"a":{"dtype":"U64","shape":[0],"#
      + #""data_offsets":[0,0]},"z":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"#
      + #""B":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},"#
      + #""b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#
    let padding = [UInt8](repeating: 32, count: (8 - header.utf8.count % 8) % 8)
    let data: [UInt8] = [0, 0, 0, 0, 0, 0, 8, 64, 0, 0, 0, 64, 0, 0, 128, 63]
    XCTAssertEqual(written[0], fileBytes(header: Array(header.utf8) + padding, data: data))
  }

  func testWritesAFileOfNothing() throws {
    try SafetensorsWriter(path: path("file")).write()
    XCTAssertEqual(try contents("file"), fileBytes("{}      "))
    XCTAssertEqual(try SafetensorsFile(path: path("file")).tensors, [])
  }

  func testStreamsTensors() throws {
    var writer = SafetensorsWriter(path: path("file"))
    try writer.add("counted", dtype: .f32, shape: [1000]) { emit throws(SafetensorsError) in
      for piece in 0..<10 {
        let values = (0..<100).map { Float(100 * piece + $0) }
        try values.withUnsafeBufferPointer { values throws(SafetensorsError) in
          try emit(UnsafeRawBufferPointer(values))
        }
      }
    }
    for _ in 0..<2 {
      try writer.write()
      let file = try SafetensorsFile(path: path("file"))
      XCTAssertEqual(try file.bits(of: "counted"), (0..<1000).map { Float($0).bitPattern })
    }
  }

  func testRefusesStreamsOfAnotherLength() throws {
    for (pieces, seen) in [(1, 8), (3, 24)] {
      var writer = SafetensorsWriter(path: path("file"))
      try writer.add("a", dtype: .f64, shape: [2]) { emit throws(SafetensorsError) in
        for _ in 0..<pieces {
          let value: [Double] = [1]
          try value.withUnsafeBufferPointer { value throws(SafetensorsError) in
            try emit(UnsafeRawBufferPointer(value))
          }
        }
      }
      assertThrows(
        SafetensorsError(file: path("file"), reason: .byteCountMismatch(tensor: "a", bytes: seen, expected: 16))
      ) { try writer.write() }
      XCTAssertEqual(try names, [])
    }
  }

  func testRefusesWrongTensors() throws {
    var writer = SafetensorsWriter(path: "out")
    let four = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: 16), count: 4)
    func assertRefused(
      _ name: String, _ dtype: SafetensorsDtype, _ shape: [Int], _ reason: SafetensorsError.Reason, line: UInt = #line
    ) {
      assertThrows(
        SafetensorsError(file: "out", reason: reason),
        { try writer.add(name, dtype: dtype, shape: shape, bytes: four) }, line: line)
    }
    assertRefused("__metadata__", .f32, [1], .reservedName(name: "__metadata__"))
    assertRefused("a", .f32, [2], .byteCountMismatch(tensor: "a", bytes: 4, expected: 8))
    assertRefused("a", .f32, [-1], .sizeOverflow(tensor: "a", dtype: .f32, shape: [-1]))
    assertRefused("a", .f32, [-1, -1], .sizeOverflow(tensor: "a", dtype: .f32, shape: [-1, -1]))
    assertRefused("a", .f32, [Int.max, 2], .sizeOverflow(tensor: "a", dtype: .f32, shape: [Int.max, 2]))
    assertRefused("a", .f4, [7], .partialByte(tensor: "a", dtype: .f4, shape: [7]))
    // None of the refused ones took the name.
    try writer.add("a", dtype: .f32, shape: [1], bytes: four)
    assertRefused("a", .f32, [1], .duplicateTensor(name: "a"))
    assertRefused("a", .f32, [2], .duplicateTensor(name: "a"))
  }

  /// Small pieces go together, in the order in which they came among larger ones.
  func testPiecesAreGathered() throws {
    for sizes in [
      Array(repeating: 2, count: 20_000), [0, 1, 16_383, 1, 0, 16_384, 3, 16_385, 16_382, 2, 40_000, 5], [16_384], [],
    ] {
      var writer = SafetensorsWriter(path: path("file"))
      var tensors: [UnsafeMutableBufferPointer<Float>] = []
      defer { for tensor in tensors { tensor.deallocate() } }
      var number: Float = 0
      for (index, size) in sizes.enumerated() {
        let tensor = UnsafeMutableBufferPointer<Float>.allocate(capacity: size)
        for element in tensor.indices {
          tensor.initializeElement(at: element, to: number)
          number += 1
        }
        tensors.append(tensor)
        // Names in the order of the sizes.
        let name = String(repeating: "0", count: 5 - "\(index)".count) + "\(index)"
        try writer.add(name, shape: [size], values: UnsafeBufferPointer(tensor))
      }
      var (calls, bytes) = (0, 0)
      var operations = FileOperations.system
      operations.writeSome = { descriptor, piece in
        calls += 1
        bytes += piece.count
        return FileOperations.system.writeSome(descriptor, piece)
      }
      try SafetensorsWriter.write([writer], operations: operations)
      XCTAssertLessThanOrEqual(calls, 2 + 2 * bytes >> 16)
      let file = try SafetensorsFile(path: path("file"))
      var read: [Float] = []
      for tensor in file.tensors { read += try file.withUnsafeBuffer(of: tensor.name, as: Float.self) { Array($0) } }
      XCTAssertEqual(file.tensors.map(\.count), sizes)
      XCTAssertEqual(read, (0..<Int(number)).map(Float.init))
    }
  }

  /// Past 2^20 elements, through several writes and pages.
  func testLargeTensors() throws {
    let count = 3_000_001
    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
    defer { values.deallocate() }
    for index in 0..<count { values.initializeElement(at: index, to: Float(bitPattern: UInt32(index))) }
    var writer = SafetensorsWriter(path: path("file"))
    try writer.add("large", shape: [count], values: UnsafeBufferPointer(values))
    try writer.write()
    let file = try SafetensorsFile(path: path("file"))
    try file.withUnsafeBuffer(of: "large", as: Float.self) { read in
      XCTAssertTrue(zip(read, values).allSatisfy { $0.bitPattern == $1.bitPattern })
      XCTAssertEqual(read.count, count)
    }
  }
}
