import Foundation
import XCTest

@testable import MomentumFiles

#if os(Linux)
  import CMomentumFiles
#endif

/// What a file that is replaced hands on to the new one.
final class FileAttributesTests: FolderTestCase {
  private func status(_ name: String) -> stat {
    var status = stat()
    XCTAssertEqual(stat(path(name), &status), 0)
    return status
  }

  private func checkReplaced(_ name: String, line: UInt = #line) throws {
    try SafetensorsWriter(path: path(name)).write()
    XCTAssertEqual(try SafetensorsFile(path: path(name)).tensors, [], line: line)
    XCTAssertEqual(try names, [name], line: line)
  }

  func testOwnerAndGroup() throws {
    guard geteuid() == 0 else { throw XCTSkip("only the superuser can give files away") }
    try store([1], as: "file")
    XCTAssertEqual(chown(path("file"), 1000, 2000), 0)
    XCTAssertEqual(chmod(path("file"), 0o640), 0)
    try checkReplaced("file")
    let status = status("file")
    XCTAssertEqual(status.st_uid, 1000)
    XCTAssertEqual(status.st_gid, 2000)
    XCTAssertEqual(status.st_mode & 0o7777, 0o640)

    var operations = FileOperations.system
    operations.setOwner = { _, _, _ in
      errno = EIO
      return -1
    }
    assertThrows(SafetensorsError(file: path("file"), reason: .system(operation: "set its owner", code: EIO))) {
      try SafetensorsWriter.write([SafetensorsWriter(path: path("file"))], operations: operations)
    }
    XCTAssertEqual(try names, ["file"])
    XCTAssertEqual(try SafetensorsFile(path: path("file")).tensors, [])
  }

  /// What is asked of the system for a new file that replaces one of another owner and group, and the mode that it gets.
  private func take(
    over mode: mode_t, answers: @escaping (_ owner: UInt32, _ group: UInt32) -> CInt
  ) throws -> (asked: [[UInt32]], mode: mode_t) {
    try store([1], as: "file")
    XCTAssertEqual(chmod(path("file"), mode), 0)
    var old = status("file")
    (old.st_uid, old.st_gid) = (old.st_uid + 1000, old.st_gid + 2000)
    var operations = FileOperations.system
    var asked: [[UInt32]] = []
    operations.setOwner = { _, owner, group in
      asked.append([owner, group])
      errno = answers(owner, group)
      return errno == 0 ? 0 : -1
    }
    let descriptor = open(path("file"), O_WRONLY)
    defer { close(descriptor) }
    try FileAttributes(old, at: path("file")).apply(to: descriptor, operations, path: path("file"))
    return (asked, status("file").st_mode & 0o7777)
  }

  func testAnOwnerThatCannotBeKept() throws {
    let (owner, group) = (geteuid() + 1000, getegid() + 2000)
    let kept = try take(over: 0o664) { _, _ in 0 }
    XCTAssertEqual(kept.asked, [[owner, group]])
    XCTAssertEqual(kept.mode, 0o664)
    // At least the group.
    let grouped = try take(over: 0o664) { owner, _ in owner == .max ? 0 : EPERM }
    XCTAssertEqual(grouped.asked, [[owner, group], [.max, group]])
    XCTAssertEqual(grouped.mode, 0o664)
    // Without its group, nobody gets what not both had.
    for (mode, narrowed) in [(0o664, 0o644), (0o640, 0o600), (0o606, 0o600), (0o666, 0o666)] as [(mode_t, mode_t)] {
      XCTAssertEqual(try take(over: mode) { _, _ in EPERM }.mode, narrowed)
    }
  }

  func testAFailureToSetTheOwnerIsAnError() throws {
    assertThrows(SafetensorsError(file: path("file"), reason: .system(operation: "set its owner", code: EIO))) {
      _ = try take(over: 0o644) { _, _ in EIO }
    }
  }

  /// The bits that run a program as its owner are not for data that somebody else has written.
  func testSpecialBitsAreNotKept() throws {
    try store([1], as: "file")
    XCTAssertEqual(chmod(path("file"), 0o6755), 0)
    try checkReplaced("file")
    XCTAssertEqual(status("file").st_mode & 0o7777, 0o755)
  }

  #if os(Linux)
    private func set(_ attribute: String, _ value: [UInt8], _ name: String) throws {
      guard setxattr(path(name), attribute, value, value.count, 0) != 0 else { return }
      throw XCTSkip("the folder of temporary files keeps no attribute \(attribute)")
    }

    private func attribute(_ attribute: String, _ name: String) -> [UInt8]? {
      var value = [UInt8](repeating: 0, count: 1 << 16)
      let count = getxattr(path(name), attribute, &value, value.count)
      return count < 0 ? nil : Array(value.prefix(count))
    }

    func testExtendedAttributes() throws {
      try store([1], as: "file")
      let long = [UInt8](repeating: 7, count: 1000)
      try set("user.origin", Array("https://example.org".utf8), "file")
      try set("user.empty", [], "file")
      try set("user.long", long, "file")
      try checkReplaced("file")
      XCTAssertEqual(attribute("user.origin", "file"), Array("https://example.org".utf8))
      XCTAssertEqual(attribute("user.empty", "file"), [])
      XCTAssertEqual(attribute("user.long", "file"), long)
    }

    /// An access control list in the form of the attribute: version 2, then tag, permissions and number of each entry.
    private func list(_ entries: [(tag: UInt16, permissions: UInt16, number: UInt32)]) -> [UInt8] {
      entries.reduce(into: [2, 0, 0, 0]) { bytes, entry in
        withUnsafeBytes(of: entry.tag.littleEndian) { bytes += $0 }
        withUnsafeBytes(of: entry.permissions.littleEndian) { bytes += $0 }
        withUnsafeBytes(of: entry.number.littleEndian) { bytes += $0 }
      }
    }

    private static let accessList = "system.posix_acl_access"

    func testAccessControlLists() throws {
      try store([1], as: "file")
      // The owner, user 1234, the group (nothing), the mask and others (nothing).
      let entries = list([(1, 6, .max), (2, 6, 1234), (4, 0, .max), (16, 6, .max), (32, 0, .max)])
      try set(Self.accessList, entries, "file")
      XCTAssertEqual(status("file").st_mode & 0o777, 0o660)
      try checkReplaced("file")
      XCTAssertEqual(attribute(Self.accessList, "file"), entries)
      XCTAssertEqual(status("file").st_mode & 0o777, 0o660)
    }

    /// What new files inherit from their folder is not for one that takes the place of another.
    func testListsOfTheFolderAreNotInherited() throws {
      try store([1], as: "file")
      XCTAssertEqual(chmod(path("file"), 0o640), 0)
      let entries = list([(1, 7, .max), (2, 7, 1234), (4, 5, .max), (16, 7, .max), (32, 5, .max)])
      guard setxattr(folder, "system.posix_acl_default", entries, entries.count, 0) == 0 else {
        throw XCTSkip("the folder of temporary files keeps no access control lists")
      }
      try checkReplaced("file")
      XCTAssertNil(attribute(Self.accessList, "file"))
      XCTAssertEqual(status("file").st_mode & 0o777, 0o640)
      // A new file inherits it.
      try SafetensorsWriter(path: path("new")).write()
      XCTAssertNotNil(attribute(Self.accessList, "new"))
    }
  #endif
}
