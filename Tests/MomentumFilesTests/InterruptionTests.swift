import Foundation
import MomentumFiles
import XCTest

/// Writes that fail, or stop, at each call of the operating system in turn.
final class InterruptionTests: FolderTestCase {
  /// Counts the calls and spoils one of them.
  private final class Fault {
    enum Kind {
      /// The call fails with this `errno`.
      case error(CInt)
      /// Neither this call nor any behind it has an effect: the process was killed, the machine lost power.
      case death
    }

    private let kind: Kind
    private let index: Int
    private var count = 0

    init(_ kind: Kind, at index: Int) {
      self.kind = kind
      self.index = index
    }

    var wasReached: Bool { count > index }

    private func spoils() -> Bool {
      defer { count += 1 }
      switch kind {
      case .error(let code):
        guard count == index else { return false }
        errno = code
      case .death:
        guard count >= index else { return false }
        errno = EIO
      }
      return true
    }

    var operations: FileOperations {
      var operations = FileOperations.system
      let system = operations
      operations.create = { self.spoils() ? -1 : system.create($0, $1) }
      operations.setMode = { self.spoils() ? -1 : system.setMode($0, $1) }
      // Short writes, so that there are several and the loop over them is used.
      operations.writeSome = {
        self.spoils() ? -1 : system.writeSome($0, UnsafeRawBufferPointer(rebasing: $1.prefix(50)))
      }
      // Nothing here outlives the process, so nothing need reach the disk, which would take its time.
      operations.synchronize = { _ in self.spoils() ? -1 : 0 }
      // Descriptors are closed in any case, as they are when a process dies.
      operations.closeDescriptor = {
        let result = system.closeDescriptor($0)
        return self.spoils() ? -1 : result
      }
      operations.openDirectory = { self.spoils() ? -1 : system.openDirectory($0) }
      operations.addLink = { self.spoils() ? -1 : system.addLink($0, $1) }
      operations.move = { self.spoils() ? -1 : system.move($0, $1) }
      operations.remove = { self.spoils() ? -1 : system.remove($0) }
      return operations
    }
  }

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
    _ kind: Fault.Kind, existing: [String], check: (_ index: Int, _ error: (any Error)?) throws -> Void
  ) throws -> Int {
    var index = 0
    while true {
      try reset(existing: existing)
      let fault = Fault(kind, at: index)
      var thrown: (any Error)?
      do { try write(["first", "second"], operations: fault.operations) } catch { thrown = error }
      guard fault.wasReached else {
        XCTAssertNil(thrown)
        return index
      }
      try check(index, thrown)
      index += 1
    }
  }

  func testAnErrorAtAnyCallLeavesWhatWasThere() throws {
    for code in [EIO, ENOSPC, EDQUOT] {
      for existing in [[], ["first"], ["second"], ["first", "second"]] {
        var failures = 0
        let calls = try spoilEach(.error(code), existing: existing) { index, error in
          let context = "call \(index), existing \(existing)"
          guard let error else {
            // Only what follows once all is in place may fail unnoticed: second names of old files, descriptors.
            XCTAssertTrue(try isNew("first") && isNew("second"), context)
            return
          }
          failures += 1
          let reason = try XCTUnwrap(error as? SafetensorsError).reason
          guard case .system(_, code) = reason else { return XCTFail("\(reason), \(context)") }
          XCTAssertEqual(try names, existing, context)
          for name in existing { XCTAssertEqual(try contents(name), old, context) }
        }
        // Afterwards each old file has a name to remove and each directory a descriptor to close.
        XCTAssertEqual(failures, calls - existing.count - 2)
        XCTAssertGreaterThan(failures, 20)
      }
    }
  }

  func testDeathAtAnyCallLeavesEachFileWhole() throws {
    for existing in [[], ["first"], ["second"], ["first", "second"]] {
      var states: Set<[Bool]> = []
      _ = try spoilEach(.death, existing: existing) { index, _ in
        let state = try ["first", "second"].map { name in
          let exists = FileManager.default.fileExists(atPath: path(name))
          XCTAssertTrue(exists || !existing.contains(name), "\(name) is lost at call \(index), existing \(existing)")
          guard exists, try contents(name) != old else { return false }
          XCTAssertTrue(try isNew(name), "call \(index), existing \(existing)")
          return true
        }
        states.insert(state)
      }
      XCTAssertEqual(states, [[false, false], [true, false], [true, true]])
    }
  }

  /// What makes a file survive a loss of power is the order: content, then name, each brought to the disk.
  func testOrderOfTheCalls() throws {
    try reset(existing: ["first"])
    var calls: [String] = []
    var directories: Set<CInt> = []
    var operations = FileOperations.system
    let system = operations
    func named(_ path: String) -> String {
      path.hasSuffix(".tmp") ? "temporary" : String(path.split(separator: "/").last!)
    }
    func record(_ call: String) { if calls.last != call { calls.append(call) } }
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
    operations.openDirectory = {
      let descriptor = system.openDirectory($0)
      directories.insert(descriptor)
      return descriptor
    }
    operations.synchronize = {
      record(directories.contains($0) ? "synchronize directory" : "synchronize file")
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
    try write(["first", "second"], operations: operations)
    XCTAssertEqual(
      calls,
      [
        "create temporary", "set mode", "write", "synchronize file",
        "create temporary", "write", "synchronize file",
        "link first to temporary", "move temporary to first", "move temporary to second", "synchronize directory",
        "remove temporary",
      ])
  }

  func testInterruptedCallsAreRepeated() throws {
    for kind in 0..<3 {
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
      case 0: operations.create = { interrupts() ? -1 : system.create($0, $1) }
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
    var directories: Set<CInt> = []
    operations.openDirectory = {
      let descriptor = system.openDirectory($0)
      directories.insert(descriptor)
      return descriptor
    }
    operations.synchronize = {
      guard directories.contains($0) else { return system.synchronize($0) }
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
    _ = try spoilEach(.error(EIO), existing: ["first"]) { index, _ in
      XCTAssertEqual(try openFiles(), before, "call \(index)")
    }
    XCTAssertEqual(try openFiles(), before)
  }
}
