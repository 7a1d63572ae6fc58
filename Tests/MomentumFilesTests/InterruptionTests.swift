import Foundation
import MomentumFiles
import XCTest

/// Writes that fail, or stop, at each call of the operating system in turn.
final class InterruptionTests: FolderTestCase {
  private let values: [Double] = (0..<20).map(Double.init)
  private let old: [UInt8] = Array("the old file".utf8)

  /// Writes files of these names.
  private func write(_ names: [String], operations: FileOperations) throws {
    try values.withUnsafeBufferPointer { values in
      let writers = try names.map { name in
        var writer = SafetensorsWriter(path: path(name))
        try writer.add(name, shape: [4, 5], values: values)
        return writer
      }
      try SafetensorsWriter.write(writers, operations: operations)
    }
  }

  private func isNew(_ name: String) throws -> Bool {
    let file = try SafetensorsFile(path: path(name))
    return try file.doubleBits(of: name) == values.map(\.bitPattern) && file.tensors.count == 1
  }

  private func reset(existing: [String]) throws {
    for name in try names { try FileManager.default.removeItem(atPath: path(name)) }
    for name in existing { try store(old, as: name) }
  }

  /// Spoils each call in turn until there is none left to spoil; returns how many there were.
  private func spoilEach(
    _ kind: Fault.Kind, existing: [String], hasUnnamedFiles: Bool,
    check: (_ index: Int, _ call: String, _ error: (any Error)?) throws -> Void
  ) throws -> Int {
    var index = 0
    while true {
      try reset(existing: existing)
      let fault = Fault(kind, at: index, hasUnnamedFiles: hasUnnamedFiles)
      var thrown: (any Error)?
      do { try write(["first", "second"], operations: fault.operations) } catch { thrown = error }
      guard fault.wasReached else {
        XCTAssertNil(thrown)
        return index
      }
      try check(index, fault.call, thrown)
      index += 1
    }
  }

  private static let systems = [false, true]
  private static let folders = [[], ["first"], ["second"], ["first", "second"]]

  func testAnErrorAtAnyCallLeavesWhatWasThere() throws {
    for (hasUnnamedFiles, code) in Self.systems.flatMap({ system in [EIO, ENOSPC, EDQUOT].map { (system, $0) } }) {
      for existing in Self.folders {
        var failures = 0
        let calls = try spoilEach(.error(code), existing: existing, hasUnnamedFiles: hasUnnamedFiles) {
          index, call, error in
          let context = "\(call), number \(index), existing \(existing)"
          guard let error else {
            // Only what follows once all is in place may fail unnoticed: second names of old files, descriptors.
            XCTAssertTrue(try isNew("first") && isNew("second"), context)
            return
          }
          failures += 1
          let reason = try XCTUnwrap(error as? SafetensorsError).reason
          if call == "synchronize directory" {
            // Nothing is certain any more, also not by going back.
            XCTAssertEqual(reason, .notDurable(code: code), context)
            XCTAssertTrue(
              "\(error)".contains(
                "is in its place, but its directory could not be brought to the disk, so that a loss of power may bring "
                  + "the old file back: "), "\(error)")
            XCTAssertTrue(try isNew("first") && isNew("second"), context)
            XCTAssertEqual(try names, ["first", "second"], context)
            return
          }
          guard case .system(_, code) = reason else { return XCTFail("\(reason), \(context)") }
          XCTAssertEqual(try names, existing, context)
          for name in existing { XCTAssertEqual(try contents(name), old, context) }
        }
        // Afterwards the first old file has a name to remove and each directory a descriptor to close.
        XCTAssertEqual(failures, calls - (existing.contains("first") ? 1 : 0) - 2)
        XCTAssertGreaterThan(failures, 20)
      }
    }
  }

  func testDeathAtAnyCallLeavesEachFileWhole() throws {
    for (hasUnnamedFiles, existing) in Self.systems.flatMap({ system in Self.folders.map { (system, $0) } }) {
      var states: Set<[Bool]> = []
      var leaving: Set<String> = []
      _ = try spoilEach(.death, existing: existing, hasUnnamedFiles: hasUnnamedFiles) { index, call, _ in
        let state = try ["first", "second"].map { name in
          let exists = FileManager.default.fileExists(atPath: path(name))
          XCTAssertTrue(exists || !existing.contains(name), "\(name) is lost at call \(index), existing \(existing)")
          guard exists, try contents(name) != old else { return false }
          XCTAssertTrue(try isNew(name), "call \(index), existing \(existing)")
          return true
        }
        states.insert(state)
        if try names.contains(where: { $0.hasPrefix(".") }) { leaving.insert(call) }
      }
      XCTAssertEqual(states, [[false, false], [true, false], [true, true]])
      guard hasUnnamedFiles else { continue }
      // Nothing is left by a death before the commit, which is short, nor where no file is replaced.
      XCTAssertTrue(leaving.isDisjoint(with: ["create", "set owner", "set mode", "write", "synchronize file"]))
      XCTAssertEqual(leaving.isEmpty, existing.isEmpty, "\(leaving)")
    }
  }

  /// What makes a file survive a loss of power is the order: content, then name, each brought to the disk.
  func testOrderOfTheCalls() throws {
    XCTAssertEqual(
      try calls(hasUnnamedFiles: true),
      [
        "create unnamed", "set mode", "write", "synchronize file",
        "create unnamed", "write", "synchronize file",
        "link first to temporary", "name temporary", "move temporary to first", "name second", "remove temporary",
        "synchronize directory",
      ])
    XCTAssertEqual(
      try calls(hasUnnamedFiles: false),
      [
        "create temporary", "set mode", "write", "synchronize file",
        "create temporary", "write", "synchronize file",
        "link first to temporary", "move temporary to first", "move temporary to second", "remove temporary",
        "synchronize directory",
      ])
    // Between its two names a single file has a temporary one, and no call in between that takes its time.
    XCTAssertEqual(
      try calls(of: ["first"], hasUnnamedFiles: true),
      [
        "create unnamed", "set mode", "write", "synchronize file", "name temporary", "move temporary to first",
        "synchronize directory",
      ])
  }

  /// The calls of a write of files, the first of which is there.
  private func calls(of names: [String] = ["first", "second"], hasUnnamedFiles: Bool) throws -> [String] {
    try reset(existing: ["first"])
    var calls: [String] = []
    var operations = FileOperations.system
    let system = operations
    func named(_ path: String) -> String {
      path.hasSuffix(".tmp") ? "temporary" : String(path.split(separator: "/").last!)
    }
    func record(_ call: String) { if calls.last != call { calls.append(call) } }
    operations.createUnnamed = {
      guard hasUnnamedFiles else { return unsupported() }
      record("create unnamed")
      return system.createUnnamed($0, $1)
    }
    operations.giveName = {
      record("name \(named($1))")
      return system.giveName($0, $1)
    }
    operations.create = {
      record("create \(named($0))")
      return system.create($0, $1)
    }
    operations.setMode = {
      record("set mode")
      return system.setMode($0, $1)
    }
    operations.writeSome = {
      record("write")
      return system.writeSome($0, $1)
    }
    operations.synchronize = {
      record(isDirectory($0) ? "synchronize directory" : "synchronize file")
      return system.synchronize($0)
    }
    operations.addLink = {
      record("link \(named($0)) to \(named($1))")
      return system.addLink($0, $1)
    }
    operations.move = {
      record("move \(named($0)) to \(named($1))")
      return system.move($0, $1)
    }
    operations.remove = {
      record("remove \(named($0))")
      return system.remove($0)
    }
    try write(names, operations: operations)
    return calls
  }

  /// Between the look at a target and the commit another program may have created it.
  func testAFileThatAppearsMeanwhileIsReplaced() throws {
    try reset(existing: [])
    var operations = FileOperations.system
    let system = operations
    operations.giveName = { descriptor, path in
      if !path.hasSuffix(".tmp") { _ = try? self.store(self.old, as: "first") }
      return system.giveName(descriptor, path)
    }
    try write(["first"], operations: operations)
    XCTAssertTrue(try isNew("first"))
    XCTAssertEqual(try names, ["first"])
  }

  /// What the handler of a signal does, where files have names while they are written.
  func testTemporaryFilesAreGoneWhenTheProgramMayEnd() throws {
    try reset(existing: ["first"])
    var operations = FileOperations.system
    let system = operations
    operations.createUnnamed = { _, _ in unsupported() }
    var mayEnd: Bool?
    operations.writeSome = { descriptor, bytes in
      XCTAssertEqual(try? self.names.count, 2)
      mayEnd = InterruptedWrites.mayEnd(by: SIGTERM)
      XCTAssertEqual(try? self.names, ["first"])
      return system.writeSome(descriptor, bytes)
    }
    XCTAssertThrowsError(try write(["first"], operations: operations))
    XCTAssertEqual(mayEnd, true)
    XCTAssertEqual(try contents("first"), old)
    XCTAssertEqual(try names, ["first"])
  }

  /// A signal that comes while files take their places waits for all of them, and then has its effect.
  func testTheProgramMayNotEndInTheMiddleOfACommit() throws {
    try reset(existing: ["first", "second"])
    var operations = FileOperations.system
    let system = operations
    var answers: [Bool] = []
    operations.move = { old, new in
      // The default effect of this one is none, so that the test goes on.
      answers.append(InterruptedWrites.mayEnd(by: SIGURG))
      return system.move(old, new)
    }
    try write(["first", "second"], operations: operations)
    XCTAssertEqual(answers, [false, false])
    XCTAssertTrue(InterruptedWrites.mayEnd(by: SIGURG))
    XCTAssertTrue(try isNew("first") && isNew("second"))
    XCTAssertEqual(try names, ["first", "second"])
  }

  func testInterruptedCallsAreRepeated() throws {
    for kind in 0..<4 {
      try reset(existing: ["first"])
      var interruptions = 0
      var operations = FileOperations.system
      let system = operations
      func interrupts() -> Bool {
        guard interruptions < 5 else { return false }
        interruptions += 1
        errno = EINTR
        return true
      }
      switch kind {
      case 0: operations.createUnnamed = { interrupts() ? -1 : system.createUnnamed($0, $1) }
      case 3:
        operations.createUnnamed = { _, _ in unsupported() }
        operations.create = { interrupts() ? -1 : system.create($0, $1) }
      case 1: operations.writeSome = { interrupts() ? -1 : system.writeSome($0, $1) }
      default: operations.synchronize = { interrupts() ? -1 : system.synchronize($0) }
      }
      try write(["first"], operations: operations)
      XCTAssertEqual(interruptions, 5)
      XCTAssertTrue(try isNew("first"))
      XCTAssertEqual(try names, ["first"])
    }
  }

  /// A disk that is really full, as far as a file can tell.
  func testFullDisk() throws {
    try reset(existing: ["first"])
    let full = open("/dev/full", O_WRONLY)
    XCTAssertGreaterThanOrEqual(full, 0)
    defer { close(full) }
    var operations = FileOperations.system
    let system = operations
    operations.writeSome = { system.writeSome(full, $1) }
    assertThrows(SafetensorsError(file: path("first"), reason: .system(operation: "write it", code: ENOSPC))) {
      try write(["first"], operations: operations)
    }
    XCTAssertEqual(try names, ["first"])
    XCTAssertEqual(try contents("first"), old)
  }

  func testAWriteOfNothingIsAnError() throws {
    var operations = FileOperations.system
    operations.writeSome = { _, _ in 0 }
    assertThrows(SafetensorsError(file: path("first"), reason: .system(operation: "write it", code: EIO))) {
      try write(["first"], operations: operations)
    }
    XCTAssertEqual(try names, [])
  }

  /// File systems without hard links, and without fsync of directories, can be written to.
  func testSimpleFileSystems() throws {
    try reset(existing: ["first", "second"])
    var operations = FileOperations.system
    let system = operations
    operations.addLink = { _, _ in
      errno = EPERM
      return -1
    }
    operations.createUnnamed = { _, _ in unsupported() }
    operations.synchronize = {
      guard isDirectory($0) else { return system.synchronize($0) }
      errno = EINVAL
      return -1
    }
    try write(["first", "second"], operations: operations)
    XCTAssertTrue(try isNew("first") && isNew("second"))
    XCTAssertEqual(try names, ["first", "second"])
  }

  func testLeavesNothingOpen() throws {
    func openFiles() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/dev/fd").count }
    let before = try openFiles()
    for hasUnnamedFiles in Self.systems {
      _ = try spoilEach(.error(EIO), existing: ["first"], hasUnnamedFiles: hasUnnamedFiles) { index, call, _ in
        XCTAssertEqual(try openFiles(), before, "\(call), number \(index)")
      }
    }
    XCTAssertEqual(try openFiles(), before)
  }
}
