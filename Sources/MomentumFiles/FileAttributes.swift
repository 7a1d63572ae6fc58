#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import CMomentumFiles
  import Glibc
#elseif canImport(Musl)
  import CMomentumFiles
  import Musl
#endif

/// What a file that is replaced hands on to the new one: owner, group, mode, extended attributes and, where these are
/// some (on Linux), access control lists.
///
/// The system does not let everybody give files away or set every attribute. What cannot be kept is left out, and where
/// it said who may use the file the new one is open to fewer, never to more: without its group or its list, group and
/// others have only what both had.
struct FileAttributes {
  /// The permissions, without the bits that run a program as its owner.
  let mode: UInt32
  private let owner: uid_t
  private let group: gid_t
  private let extended: [String: [UInt8]]

  private static let accessList = "system.posix_acl_access"

  /// The attributes of the file at a path, which is no link.
  init(_ status: stat, at path: String) {
    (mode, owner, group) = (UInt32(status.st_mode) & 0o777, status.st_uid, status.st_gid)
    var extended: [String: [UInt8]] = [:]
    for name in Self.names(list: { llistxattr(path, $0, $1) }) where Self.isKept(name) {
      extended[name] = Self.bytes { lgetxattr(path, name, $0, $1) }
    }
    self.extended = extended
  }

  /// Gives a new file these attributes, before anything is written to it.
  func apply(to descriptor: CInt, _ operations: FileOperations, path: String) throws(SafetensorsError) {
    var isNarrowed = try !keepOwner(of: descriptor, operations, path)
    // A new file inherits one from its directory.
    if extended[Self.accessList] == nil { _ = fremovexattr(descriptor, Self.accessList) }
    // With a list, the bits of the group are its mask, so it must be there first.
    for (name, bytes) in extended {
      let result = bytes.withUnsafeBytes { fsetxattr(descriptor, name, $0.baseAddress, $0.count, 0) }
      if result != 0, name == Self.accessList { isNarrowed = true }
    }
    var mode = mode
    if isNarrowed {
      let common = mode >> 3 & mode & 7
      mode = mode & 0o700 | common << 3 | common
    }
    guard operations.setMode(descriptor, mode) == 0 else { throw .system("set its mode", file: path) }
  }

  /// Gives the file to the owner and the group, or at least to the group; tells whether the group has it.
  private func keepOwner(
    of descriptor: CInt, _ operations: FileOperations, _ path: String
  ) throws(SafetensorsError) -> Bool {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("examine it", file: path) }
    if status.st_uid == owner, status.st_gid == group { return true }
    let unchanged = UInt32.max
    if operations.setOwner(descriptor, owner, group) == 0 { return true }
    if Self.isRefusal(errno), status.st_gid == group || operations.setOwner(descriptor, unchanged, group) == 0 {
      return true
    }
    guard Self.isRefusal(errno) else { throw .system("set its owner", file: path) }
    return false
  }

  /// Whether an error says that the system does not allow a change of the owner, or has no owners.
  private static func isRefusal(_ code: CInt) -> Bool { [EPERM, EINVAL, ENOSYS, ENOTSUP, EOPNOTSUPP].contains(code) }

  /// Attributes that are about the old content, or are the system's own, stay behind.
  private static func isKept(_ name: String) -> Bool {
    !name.hasPrefix("trusted.") && !["security.capability", "security.evm", "security.ima"].contains(name)
  }

  /// The names in a list of attributes.
  private static func names(list: (UnsafeMutablePointer<CChar>?, Int) -> Int) -> [String] {
    let list = bytes { list($0?.assumingMemoryBound(to: CChar.self), $1) }
    return list?.split(separator: 0).map { String(decoding: $0, as: UTF8.self) } ?? []
  }

  /// What a call writes that tells the size when it is given no memory; `nil` if it fails.
  private static func bytes(_ call: (UnsafeMutableRawPointer?, Int) -> Int) -> [UInt8]? {
    let size = call(nil, 0)
    guard size >= 0 else { return nil }
    var result = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      result = call(buffer.baseAddress, size)
      count = max(0, min(result, size))
    }
    return result >= 0 ? bytes : nil
  }
}

// Linux's calls, in terms of Darwin's.
#if canImport(Darwin)
  private func llistxattr(_ path: String, _ list: UnsafeMutablePointer<CChar>?, _ size: Int) -> Int {
    listxattr(path, list, size, XATTR_NOFOLLOW)
  }

  private func lgetxattr(_ path: String, _ name: String, _ value: UnsafeMutableRawPointer?, _ size: Int) -> Int {
    getxattr(path, name, value, size, 0, XATTR_NOFOLLOW)
  }

  private func fsetxattr(
    _ descriptor: CInt, _ name: String, _ value: UnsafeRawPointer?, _ size: Int, _ flags: CInt
  ) -> CInt {
    Darwin.fsetxattr(descriptor, name, value, size, 0, flags)
  }

  private func fremovexattr(_ descriptor: CInt, _ name: String) -> CInt {
    Darwin.fremovexattr(descriptor, name, 0)
  }
#endif
