internal import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Temporary names of processes that were killed while files took their places: each holds the space of a whole file, and
/// nobody else knows it. The next process that writes into the directory removes them.
///
/// A name tells which process of which system gave it. One that still runs, or that another system started, as far as
/// names tell, keeps its names.
enum Leftovers {
  private static let prefix = ".momentum-"
  private static let suffix = ".tmp"
  private static let lookedAt = Mutex<Set<Directory>>([])

  /// By its path too, since a new directory may get the number of one that was removed.
  private struct Directory: Hashable {
    var path: String
    var device: dev_t
    var inode: ino_t
  }

  /// A name that no file has, of a length of its own, since one made from the target's could become too long.
  static func newName() -> String {
    "\(prefix)\(system)-\(getpid())-\(String(UInt64.random(in: .min ... .max), radix: 16))\(suffix)"
  }

  /// Removes what is left in a directory, the first time that this process asks for it. What cannot be removed stays.
  static func remove(in directory: String) {
    var status = stat()
    guard stat(directory, &status) == 0 else { return }
    let key = Directory(path: directory, device: status.st_dev, inode: status.st_ino)
    guard lookedAt.withLock({ $0.insert(key).inserted }), let names = try? DirectoryListing.names(in: directory) else {
      return
    }
    for name in names where isLeft(name) { unlink("\(directory)/\(name)") }
  }

  /// Whether a name is that of a process of this system that has ended.
  private static func isLeft(_ name: String) -> Bool {
    guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return false }
    let parts = name.dropFirst(prefix.count).dropLast(suffix.count).split(separator: "-")
    guard parts.count == 3, parts[0] == system, let process = pid_t(parts[1]), process > 0 else { return false }
    return kill(process, 0) != 0 && errno == ESRCH
  }

  /// A mark of the system in which the number of a process means something: the host and, in a container, its processes.
  private static let system: String = {
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, host.count - 1)
    var space = [CChar](repeating: 0, count: 256)
    _ = readlink("/proc/self/ns/pid", &space, space.count - 1)
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
    for byte in host.prefix(while: { $0 != 0 }) + [0] + space.prefix(while: { $0 != 0 }) {
      hash = (hash ^ UInt64(UInt8(bitPattern: byte))) &* 0x100_0000_01B3
    }
    return String(hash, radix: 36)
  }()
}
