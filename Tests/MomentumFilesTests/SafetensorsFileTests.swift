import Foundation
import MomentumFiles
import XCTest

/// Opening, mapping and access to tensors.
final class SafetensorsFileTests: FolderTestCase {
  private let header =
    #"{"__metadata__":{"step":"3"},"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"#
    + #""f":{"dtype":"F32","shape":[2,2],"data_offsets":[16,32]},"#
    + #""h":{"dtype":"F16","shape":[1],"data_offsets":[32,34]},"#
    + #""none":{"dtype":"F32","shape":[0],"data_offsets":[34,34]}}"#
  private let data: [UInt8] = (0..<34).map { UInt8($0) }

  /// The file with its header filled with spaces so that the data begins `shift` bytes behind a multiple of 8.
  private func storeFile(shift: Int = 0) throws -> String {
    let spaces = (8 + shift - header.utf8.count % 8) % 8
    return try store(
      fileBytes(header: Array(header.utf8) + [UInt8](repeating: 32, count: spaces), data: data), as: "file")
  }

  func testDescribesTensors() throws {
    let file = try SafetensorsFile(path: try storeFile())
    XCTAssertEqual(file.tensors.map(\.name), ["d", "f", "h", "none"])
    XCTAssertEqual(file.tensor(named: "f")?.shape, [2, 2])
    XCTAssertEqual(file.metadata, ["step": "3"])
    XCTAssertNil(file.tensor(named: "x"))
    XCTAssertEqual(file.path, path("file"))
  }

  /// At every shift, aligned or not, the values are those of the bytes.
  func testValuesAtEveryAlignment() throws {
    for shift in 0..<8 {
      for access in [SafetensorsFile.Access.readOnly, .copyOnWrite] {
        let file = try SafetensorsFile(path: try storeFile(shift: shift), access: access)
        XCTAssertEqual(file.header.dataStart % 8, shift)
        XCTAssertEqual(try file.doubleBits(of: "d"), [0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908])
        XCTAssertEqual(try file.bits(of: "f"), [0x1312_1110, 0x1716_1514, 0x1B1A_1918, 0x1F1E_1D1C])
        XCTAssertEqual(try file.bits(of: "none"), [])
        XCTAssertEqual(try file.withUnsafeBytes(of: "h") { Array($0) }, [32, 33])
        try file.withUnsafeBuffer(of: "d", as: Double.self) { values in
          XCTAssertEqual(Int(bitPattern: values.baseAddress) % 8, 0)
        }
        try file.checkUnchanged()
      }
    }
  }

  func testChangesStayInMemory() throws {
    for shift in [0, 3] {
      let path = try storeFile(shift: shift)
      let before = try contents("file")
      let file = try SafetensorsFile(path: path, access: .copyOnWrite)
      try file.withUnsafeMutableBuffer(of: "f", as: Float.self) { values in
        values[1] = 5
      }
      XCTAssertEqual(try file.bits(of: "f")[1], Float(5).bitPattern)
      XCTAssertEqual(try file.bits(of: "f")[0], 0x1312_1110)
      XCTAssertEqual(try contents("file"), before)
      try file.checkUnchanged()
    }
  }

  func testRefusesWrongAccess() throws {
    let path = try storeFile()
    let file = try SafetensorsFile(path: path)
    func error(_ reason: SafetensorsError.Reason) -> SafetensorsError { SafetensorsError(file: path, reason: reason) }
    assertThrows(error(.unknownTensor(name: "x"))) { _ = try file.unsafeBuffer(of: "x", as: Float.self) }
    assertThrows(error(.unknownTensor(name: "x"))) { _ = try file.withUnsafeBytes(of: "x") { $0.count } }
    assertThrows(error(.dtypeMismatch(tensor: "d", dtype: .f64, expected: .f32))) {
      _ = try file.unsafeBuffer(of: "d", as: Float.self)
    }
    assertThrows(error(.dtypeMismatch(tensor: "h", dtype: .f16, expected: .f64))) {
      _ = try file.unsafeBuffer(of: "h", as: Double.self)
    }
    assertThrows(error(.readOnlyAccess(tensor: "f"))) { _ = try file.unsafeMutableBuffer(of: "f", as: Float.self) }
  }

  func testRefusesWhatIsNoRegularFile() throws {
    assertThrows(SafetensorsError(file: folder, reason: .notRegularFile(kind: "a directory"))) {
      _ = try SafetensorsFile(path: folder)
    }
    XCTAssertEqual(mkfifo(path("pipe"), 0o600), 0)
    assertThrows(SafetensorsError(file: path("pipe"), reason: .notRegularFile(kind: "a pipe"))) {
      _ = try SafetensorsFile(path: path("pipe"))
    }
    assertThrows(SafetensorsError(file: "/dev/null", reason: .notRegularFile(kind: "a device"))) {
      _ = try SafetensorsFile(path: "/dev/null")
    }
    for missing in [path("missing"), path("missing/file"), ""] {
      assertThrows(SafetensorsError(file: missing, reason: .system(operation: "open it", code: ENOENT))) {
        _ = try SafetensorsFile(path: missing, access: .copyOnWrite)
      }
    }
  }

  func testRefusesBrokenFilesByName() throws {
    assertThrows(SafetensorsError(file: path("empty"), reason: .foreign(.empty))) {
      _ = try SafetensorsFile(path: try store([], as: "empty"))
    }
    let bytes = fileBytes(header: Array(header.utf8), data: data.dropLast())
    assertThrows(
      SafetensorsError(file: path("cut"), reason: .truncated(fileBytes: bytes.count, expected: bytes.count + 1))
    ) {
      _ = try SafetensorsFile(path: try store(bytes, as: "cut"))
    }
  }

  func testNoticesThatTheFileWasChanged() throws {
    let path = try storeFile()
    let size = try contents("file").count
    for newSize in [size - 1, size + 1] {
      let file = try SafetensorsFile(path: try storeFile())
      XCTAssertEqual(truncate(path, newSize), 0)
      assertThrows(SafetensorsError(file: path, reason: .changedWhileOpen)) { try file.checkUnchanged() }
    }
  }

  /// What a replaced file held stays readable, so a program may write to the path it reads from.
  func testOutlivesItsReplacement() throws {
    let path = try storeFile()
    let file = try SafetensorsFile(path: path, access: .copyOnWrite)
    var writer = SafetensorsWriter(path: path)
    let values = try file.unsafeMutableBuffer(of: "f", as: Float.self)
    values[0] = 1
    try writer.add("f", shape: [4], values: UnsafeBufferPointer(values))
    try writer.write()
    XCTAssertEqual(try file.doubleBits(of: "d")[0], 0x0706_0504_0302_0100)
    let second = try SafetensorsFile(path: path)
    XCTAssertEqual(try second.bits(of: "f"), [0x3F80_0000, 0x1716_1514, 0x1B1A_1918, 0x1F1E_1D1C])
  }

  /// Descriptors and mappings are given back, of good files and of bad ones.
  func testLeavesNothingOpen() throws {
    let good = try storeFile(shift: 1)
    let bad = try store([1, 2, 3], as: "bad")
    func openFiles() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/dev/fd").count }
    let before = try openFiles()
    for _ in 0..<50 {
      _ = try SafetensorsFile(path: good, access: .copyOnWrite)
      _ = try? SafetensorsFile(path: bad)
      _ = try? SafetensorsFile(path: folder)
    }
    XCTAssertEqual(try openFiles(), before)
  }
}
