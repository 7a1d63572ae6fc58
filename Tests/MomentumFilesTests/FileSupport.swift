import Foundation
import MomentumFiles
import XCTest

/// The bytes of a file: the length of the header, the header, the data.
func fileBytes(header: [UInt8], data: [UInt8] = []) -> [UInt8] {
  withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + data
}

func fileBytes(_ header: String, dataCount: Int = 0) -> [UInt8] {
  fileBytes(header: Array(header.utf8), data: [UInt8](repeating: 0, count: dataCount))
}

func parse(_ bytes: [UInt8]) throws(SafetensorsError) -> SafetensorsHeader {
  // A copy of exactly this size, so that a read behind the end is one behind the allocation.
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try SafetensorsHeader.parse(UnsafeRawBufferPointer(copy), file: "test")
}

/// Checks that bytes are refused, and for exactly this reason.
func assertRefused(
  _ bytes: [UInt8], _ reason: SafetensorsError.Reason, file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssertThrowsError(try parse(bytes), file: file, line: line) { error in
    XCTAssertEqual(error as? SafetensorsError, SafetensorsError(file: "test", reason: reason), file: file, line: line)
  }
}

/// Checks that a call fails with exactly this error.
func assertThrows(
  _ error: SafetensorsError, _ call: () throws -> Void, file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssertThrowsError(try call(), file: file, line: line) { thrown in
    XCTAssertEqual(thrown as? SafetensorsError, error, file: file, line: line)
  }
}

/// A test with a folder of its own, removed at its end.
class FolderTestCase: XCTestCase {
  private(set) var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "momentum-files-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  override func tearDownWithError() throws {
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder)
    try FileManager.default.removeItem(atPath: folder)
  }

  func path(_ name: String) -> String { "\(folder)/\(name)" }

  /// Everything in the folder, hidden files too.
  var names: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }
  }

  func contents(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  @discardableResult
  func store(_ bytes: [UInt8], as name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }
}

extension SafetensorsFile {
  /// The bits of a tensor, which tell NaNs apart.
  func bits(of name: String) throws -> [UInt32] {
    try withUnsafeBuffer(of: name, as: Float.self) { $0.map(\.bitPattern) }
  }

  func doubleBits(of name: String) throws -> [UInt64] {
    try withUnsafeBuffer(of: name, as: Double.self) { $0.map(\.bitPattern) }
  }
}
