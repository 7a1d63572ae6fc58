#if canImport(Darwin)
  internal import Darwin
#elseif canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The calls of the operating system that writing a file takes, each with the result of its C function: negative, and
/// `errno` set, for a failure. Tests put others in their place, to let each of them fail in turn.
package struct FileOperations {
  /// Creates a file that must not exist, for writing.
  package var create: (_ path: String, _ mode: UInt32) -> CInt
  package var setMode: (_ descriptor: CInt, _ mode: UInt32) -> CInt
  package var writeSome: (_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int
  /// Waits until a file, or the names in a directory, are on the disk.
  package var synchronize: (_ descriptor: CInt) -> CInt
  package var closeDescriptor: (_ descriptor: CInt) -> CInt
  package var openDirectory: (_ path: String) -> CInt
  package var addLink: (_ existing: String, _ new: String) -> CInt
  package var move: (_ old: String, _ new: String) -> CInt
  package var remove: (_ path: String) -> CInt

  package static var system: FileOperations {
    FileOperations(
      create: { path, mode in open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode)) },
      setMode: { descriptor, mode in fchmod(descriptor, mode_t(mode)) },
      writeSome: { descriptor, bytes in write(descriptor, bytes.baseAddress, bytes.count) },
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
}
