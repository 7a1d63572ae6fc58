#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import CMomentumFiles
  internal import Glibc
#elseif canImport(Musl)
  internal import CMomentumFiles
  internal import Musl
#endif

/// The calls of the operating system that writing a file takes, each with the result of its C function: negative, and
/// `errno` set, for a failure. Tests put others in their place, to let each of them fail in turn.
package struct FileOperations {
  /// Creates a file without a name, for writing. It is gone when it is closed, unless it has been given one.
  package var createUnnamed: (_ directory: String, _ mode: UInt32) -> CInt
  /// Gives a file without a name one that must not exist.
  package var giveName: (_ descriptor: CInt, _ path: String) -> CInt
  /// Creates a file that must not exist, for writing.
  package var create: (_ path: String, _ mode: UInt32) -> CInt
  /// Opens a file that another process has created.
  package var openForWriting: (_ path: String) -> CInt
  /// Sets owner and group; the greatest number leaves one as it is.
  package var setOwner: (_ descriptor: CInt, _ owner: UInt32, _ group: UInt32) -> CInt
  package var setMode: (_ descriptor: CInt, _ mode: UInt32) -> CInt
  package var writeSome: (_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int
  package var writeSomeAt: (_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int
  /// Has the system bring a part of a file to the disk, now instead of when it is waited for, as far as it can be asked.
  package var startWriteback: (_ descriptor: CInt, _ part: Range<Int>) -> Void
  /// Waits until a file, or the names in a directory, are on the disk.
  package var synchronize: (_ descriptor: CInt) -> CInt
  package var closeDescriptor: (_ descriptor: CInt) -> CInt
  package var openDirectory: (_ path: String) -> CInt
  package var addLink: (_ existing: String, _ new: String) -> CInt
  package var move: (_ old: String, _ new: String) -> CInt
  package var remove: (_ path: String) -> CInt

  package static var system: FileOperations {
    FileOperations(
      createUnnamed: openUnnamed,
      giveName: { descriptor, path in
        #if os(Linux)
          linkat(AT_FDCWD, ownPath(descriptor), AT_FDCWD, path, AT_SYMLINK_FOLLOW)
        #else
          unsupported()
        #endif
      },
      create: { path, mode in open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode)) },
      openForWriting: { path in open(path, O_WRONLY | O_CLOEXEC) },
      setOwner: { descriptor, owner, group in fchown(descriptor, owner, group) },
      setMode: { descriptor, mode in fchmod(descriptor, mode_t(mode)) },
      writeSome: { descriptor, bytes in write(descriptor, bytes.baseAddress, bytes.count) },
      writeSomeAt: { descriptor, bytes, offset in
        pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
      },
      startWriteback: { descriptor, part in
        #if os(Linux)
          momentum_start_writeback(descriptor, Int64(part.lowerBound), Int64(part.count))
        #endif
      },
      synchronize: { descriptor in
        #if canImport(Darwin)
          // There fsync leaves the data in the drive's cache.
          if fcntl(descriptor, F_FULLFSYNC) == 0 { return 0 }
        #endif
        return fsync(descriptor)
      },
      closeDescriptor: { descriptor in close(descriptor) },
      openDirectory: { path in open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) },
      addLink: { existing, new in link(existing, new) },
      move: { old, new in rename(old, new) },
      remove: { path in unlink(path) })
  }

  private static func openUnnamed(_ directory: String, _ mode: UInt32) -> CInt {
    #if os(Linux)
      // O_TMPFILE, which is defined in C by an expression that Swift does not see.
      let descriptor = open(directory, O_WRONLY | O_CLOEXEC | O_DIRECTORY | 0o20_000_000, mode_t(mode))
      // The name is given by this path, which is not there where /proc is not.
      guard descriptor >= 0, access(ownPath(descriptor), F_OK) != 0 else { return descriptor }
      close(descriptor)
    #endif
    return unsupported()
  }

  private static func ownPath(_ descriptor: CInt) -> String { "/proc/self/fd/\(descriptor)" }

  private static func unsupported() -> CInt {
    errno = ENOTSUP
    return -1
  }
}
