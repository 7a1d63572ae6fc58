import Foundation
import MomentumFiles
import XCTest

/// How a written file takes its place among others: modes, links, errors of real directories.
final class FileReplacementTests: FolderTestCase {
  private func mode(_ name: String) throws -> Int {
    try XCTUnwrap(FileManager.default.attributesOfItem(atPath: path(name))[.posixPermissions] as? Int)
  }

  private func assertFails(_ operation: String, _ code: CInt, path: String, line: UInt = #line) {
    assertThrows(
      SafetensorsError(file: path, reason: .system(operation: operation, code: code)),
      { try SafetensorsWriter(path: path).write() }, line: line)
  }

  func testNewFilesHaveTheUsualMode() throws {
    let mask = umask(0o027)
    defer { umask(mask) }
    try SafetensorsWriter(path: path("file")).write()
    XCTAssertEqual(try mode("file"), 0o640)
  }

  func testReplacedFilesKeepTheirMode() throws {
    for mode in [0o600, 0o644, 0o666, 0o444] {
      try store([1], as: "file")
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path("file"))
      try SafetensorsWriter(path: path("file")).write()
      XCTAssertEqual(try self.mode("file"), mode)
      XCTAssertEqual(try names, ["file"])
      XCTAssertEqual(try SafetensorsFile(path: path("file")).tensors, [])
      try FileManager.default.removeItem(atPath: path("file"))
    }
  }

  func testLinksAreRefused() throws {
    try store([1], as: "file")
    try FileManager.default.createDirectory(atPath: path("folder"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(atPath: path("folder/link"), withDestinationPath: "../file")
    try FileManager.default.createSymbolicLink(atPath: path("dangling"), withDestinationPath: "missing")
    let real = try XCTUnwrap(realpath(path("file"), nil))
    defer { free(real) }
    for (link, target) in [("folder/link", String(cString: real)), ("dangling", "missing")] {
      let error = SafetensorsError(file: path(link), reason: .symbolicLink(target: target))
      assertThrows(error) { try SafetensorsWriter(path: path(link)).write() }
      assertThrows(error) { try FileReplacement.write("text", to: path(link)) }
      XCTAssertTrue(error.description.contains("'\(target)'") && error.description.contains("--follow-links"))
    }
    XCTAssertEqual(try contents("file"), [1])
    XCTAssertEqual(try names, ["dangling", "file", "folder"])
    // A link on the way to the file is no matter.
    try FileManager.default.createSymbolicLink(atPath: path("way"), withDestinationPath: "folder")
    try SafetensorsWriter(path: path("way/new")).write()
    XCTAssertEqual(try SafetensorsFile(path: path("folder/new")).tensors, [])
  }

  private func following(_ path: String) -> SafetensorsWriter {
    var writer = SafetensorsWriter(path: path)
    writer.followsLinks = true
    return writer
  }

  func testLinksThatAreFollowedStayLinks() throws {
    try store([1], as: "file")
    try FileManager.default.createDirectory(atPath: path("folder"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(atPath: path("folder/link"), withDestinationPath: "../file")
    try following(path("folder/link")).write()
    XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: path("folder/link")), "../file")
    XCTAssertEqual(try SafetensorsFile(path: path("file")).tensors, [])
    XCTAssertEqual(try names, ["file", "folder"])

    try FileManager.default.createSymbolicLink(atPath: path("dangling"), withDestinationPath: "missing")
    assertThrows(
      SafetensorsError(file: path("dangling"), reason: .system(operation: "follow the link", code: ENOENT))
    ) { try following(path("dangling")).write() }
    XCTAssertEqual(try names, ["dangling", "file", "folder"])
  }

  func testPathsWithoutADirectory() throws {
    let before = FileManager.default.currentDirectoryPath
    XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(folder))
    defer { XCTAssertTrue(FileManager.default.changeCurrentDirectoryPath(before)) }
    try SafetensorsWriter(path: "file").write()
    XCTAssertEqual(try names, ["file"])
  }

  func testNamesOfTheGreatestLength() throws {
    let name = String(repeating: "n", count: 255)
    for _ in 0..<2 { try SafetensorsWriter(path: path(name)).write() }
    XCTAssertEqual(try names, [name])
  }

  func testMissingDirectory() throws {
    assertFails("open its directory \(path("missing"))", ENOENT, path: path("missing/file"))
    try store([1], as: "file")
    assertFails("examine it", ENOTDIR, path: path("file/file"))
    XCTAssertEqual(try names, ["file"])
  }

  func testReadOnlyDirectory() throws {
    try store([1], as: "file")
    try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder)
    // The superuser may write anywhere; the error is then had from a directory where nobody can create files.
    if geteuid() == 0 {
      assertFails("create a file in /proc", ENOENT, path: "/proc/file")
    } else {
      assertFails("create a file in \(folder)", EACCES, path: path("file"))
    }
    XCTAssertEqual(try contents("file"), [1])
    XCTAssertEqual(try names, ["file"])
  }

  func testTargetsThatAreNoRegularFiles() throws {
    XCTAssertEqual(mkfifo(path("pipe"), 0o600), 0)
    let socket = try boundSocket(path("socket"))
    defer { close(socket) }
    try FileManager.default.createSymbolicLink(atPath: path("link"), withDestinationPath: "/dev/null")
    for (path, kind) in [
      (folder, "a directory"), ("/dev/null", "a device"), (path("pipe"), "a pipe"), (path("socket"), "a socket"),
      (path("link"), "a device"),
    ] {
      let refusal = SafetensorsError(file: path, reason: .notRegularFile(kind: kind))
      assertThrows(refusal) { try SafetensorsWriter(path: path).write() }
      assertThrows(refusal) { try FileReplacement.write("text", to: path) }
      assertThrows(refusal) { try following(path).write() }
    }
    XCTAssertEqual(try names, ["link", "pipe", "socket"])
    let types = try ["pipe", "socket"].map { name in
      try FileManager.default.attributesOfItem(atPath: path(name))[.type] as? FileAttributeType
    }
    XCTAssertNotEqual(types[0], .typeRegular)
    XCTAssertEqual(types[1], .typeSocket)
  }

  /// A socket with a name in the file system, to be closed.
  private func boundSocket(_ path: String) throws -> CInt {
    #if canImport(Glibc)
      let type = Int32(SOCK_STREAM.rawValue)
    #else
      let type = SOCK_STREAM
    #endif
    let descriptor = socket(AF_UNIX, type, 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // An address holds a hundred bytes, fewer than some paths have: bound under a short name, then moved.
    let short = FileManager.default.temporaryDirectory.appendingPathComponent(String(UUID().uuidString.prefix(8))).path
    let name = Array(short.utf8) + [0]
    XCTAssertLessThanOrEqual(name.count, MemoryLayout.size(ofValue: address.sun_path))
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let size = socklen_t(MemoryLayout.size(ofValue: address))
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
    }
    XCTAssertEqual(result, 0)
    try FileManager.default.moveItem(atPath: short, toPath: path)
    return descriptor
  }

  func testAnyBytesAreWrittenWholeOrNotAtAll() throws {
    try FileReplacement.write("one\n", to: path("file.csv"))
    XCTAssertEqual(try contents("file.csv"), Array("one\n".utf8))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path("file.csv"))
    try FileManager.default.createSymbolicLink(atPath: path("link"), withDestinationPath: "file.csv")
    let large = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
    try FileReplacement.write(Data(large), to: path("link"), followsLinks: true)
    XCTAssertEqual(try contents("file.csv"), large)
    XCTAssertEqual(try mode("file.csv"), 0o600)
    XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: path("link")), "file.csv")
    try FileReplacement.write("", to: path("file.csv"))
    XCTAssertEqual(try contents("file.csv"), [])
    let error = SafetensorsError(
      file: path("missing/a"), reason: .system(operation: "open its directory \(path("missing"))", code: ENOENT))
    assertThrows(error) { try FileReplacement.write("x", to: path("missing/a")) }
    XCTAssertEqual(try names, ["file.csv", "link"])
  }

  /// A process that is killed in the middle of a commit cannot remove its temporary names; the next one does.
  func testNamesOfProcessesThatHaveEndedAreRemoved() throws {
    // How this process marks its names.
    var operations = FileOperations.system
    let system = operations
    var name: String?
    operations.giveName = { descriptor, path in
      if path.hasSuffix(".tmp") { name = String(path.split(separator: "/").last!) }
      return system.giveName(descriptor, path)
    }
    try store([1], as: "file")
    try SafetensorsWriter.write([SafetensorsWriter(path: path("file"))], operations: operations)
    let parts = try XCTUnwrap(name).split(separator: "-")
    XCTAssertEqual(parts.count, 4)
    XCTAssertEqual(parts[2], "\(getpid())")

    let ended = Process()
    ended.executableURL = URL(fileURLWithPath: "/bin/true")
    try ended.run()
    ended.waitUntilExit()
    func named(_ mark: Substring, _ process: Int32) -> String { ".momentum-\(mark)-\(process)-ab12.tmp" }
    let left = named(parts[1], ended.processIdentifier)
    let others = [
      named(parts[1], getpid()), named(parts[1], 1), named("elsewhere", ended.processIdentifier),
      ".momentum-\(ended.processIdentifier)-ab12.tmp", ".momentum-.tmp", left + "x", "x" + left,
    ]
    // A directory of its own, since each is looked at once.
    try FileManager.default.createDirectory(atPath: path("other"), withIntermediateDirectories: true)
    for name in [left] + others { try store([1], as: "other/\(name)") }
    try FileReplacement.write("two", to: path("other/file"))
    let remaining = try FileManager.default.contentsOfDirectory(atPath: path("other"))
    XCTAssertEqual(Set(remaining), Set(others + ["file"]))
  }

  func testOneFileCannotBeWrittenTwiceAtOnce() throws {
    func assertRefused(_ first: String, _ second: String, line: UInt = #line) {
      assertThrows(
        SafetensorsError(file: path(second), reason: .duplicateTarget),
        { try SafetensorsWriter.write([following(path(first)), following(path(second))]) },
        line: line)
    }
    assertRefused("new", "new")
    assertRefused("new", "./new")
    XCTAssertEqual(try names, [])
    try store([1], as: "file")
    try FileManager.default.createSymbolicLink(atPath: path("link"), withDestinationPath: "file")
    assertRefused("file", "./file")
    assertRefused("file", "link")
    XCTAssertEqual(try names, ["file", "link"])
    XCTAssertEqual(try contents("file"), [1])
  }

  func testAnErrorInTheSecondFileLeavesNeither() throws {
    try store([1], as: "first")
    for second in [path("missing/second"), folder] {
      XCTAssertThrowsError(
        try SafetensorsWriter.write([
          SafetensorsWriter(path: path("first")), SafetensorsWriter(path: path("new")), SafetensorsWriter(path: second),
        ]))
      XCTAssertEqual(try names, ["first"])
      XCTAssertEqual(try contents("first"), [1])
    }
  }
}
