import Foundation
import MomentumFiles

/// What a system says that has no files without names.
func unsupported() -> CInt {
  errno = ENOTSUP
  return -1
}

func isDirectory(_ descriptor: CInt) -> Bool {
  var status = stat()
  return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// Counts the calls and spoils one of them.
final class Fault {
  enum Kind {
    /// The call fails with this `errno`.
    case error(CInt)
    /// Neither this call nor any behind it has an effect: the process was killed, the machine lost power.
    case death
  }

  private let kind: Kind
  private let index: Int
  /// Whether the system can create files without names.
  private let hasUnnamedFiles: Bool
  private var count = 0
  /// The first call that was spoiled.
  private(set) var call = ""

  init(_ kind: Kind, at index: Int, hasUnnamedFiles: Bool) {
    self.kind = kind
    self.index = index
    self.hasUnnamedFiles = hasUnnamedFiles
  }

  var wasReached: Bool { count > index }

  private func spoils(_ name: String) -> Bool {
    if count == index { call = name }
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
    operations.createUnnamed = {
      guard self.hasUnnamedFiles else { return unsupported() }
      return self.spoils("create") ? -1 : system.createUnnamed($0, $1)
    }
    operations.giveName = { self.spoils("name") ? -1 : system.giveName($0, $1) }
    operations.create = { self.spoils("create") ? -1 : system.create($0, $1) }
    operations.setOwner = { self.spoils("set owner") ? -1 : system.setOwner($0, $1, $2) }
    operations.setMode = { self.spoils("set mode") ? -1 : system.setMode($0, $1) }
    // Short writes, so that there are several and the loop over them is used.
    operations.writeSome = {
      self.spoils("write") ? -1 : system.writeSome($0, UnsafeRawBufferPointer(rebasing: $1.prefix(50)))
    }
    operations.writeSomeAt = {
      self.spoils("write") ? -1 : system.writeSomeAt($0, UnsafeRawBufferPointer(rebasing: $1.prefix(50)), $2)
    }
    // Nothing here outlives the process, so nothing need reach the disk, which would take its time.
    operations.synchronize = { self.spoils(isDirectory($0) ? "synchronize directory" : "synchronize file") ? -1 : 0 }
    // Descriptors are closed in any case, as they are when a process dies.
    operations.closeDescriptor = {
      let result = system.closeDescriptor($0)
      return self.spoils("close") ? -1 : result
    }
    operations.openDirectory = { self.spoils("open directory") ? -1 : system.openDirectory($0) }
    operations.addLink = { self.spoils("link") ? -1 : system.addLink($0, $1) }
    operations.move = { self.spoils("move") ? -1 : system.move($0, $1) }
    operations.remove = { self.spoils("remove") ? -1 : system.remove($0) }
    return operations
  }
}
