#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files that are written one after the other and take their places together: the shards of a checkpoint, each as soon as
/// it is computed, so that they need not be in memory at the same time, and behind them their index.
///
/// What has been added is on the disk, without a name where the system can do that; nothing is in its place before
/// ``commit()``. See ``FileReplacement`` for what a death of the process leaves.
package final class FileBatch {
  private var replacement: FileReplacement
  /// Folders made for the files, in this order.
  private var folders: [String] = []

  package init(operations: FileOperations = .system) { replacement = FileReplacement(operations: operations) }

  deinit { discard() }

  /// Makes the folder of a file, and those above it, if they are missing. They go again if nothing takes its place in them.
  package func makeFolder(of path: String) throws(SafetensorsError) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return }
    let folder = String(path[..<slash])
    guard !CheckpointLocation.isFolder(folder) else { return }
    try makeFolder(of: folder)
    if mkdir(folder, 0o777) == 0 {
      folders.append(folder)
    } else if errno != EEXIST {
      throw .system("make the folder", file: folder)
    }
  }

  /// Writes one more file of tensors. If that fails, all is taken back.
  ///
  /// - Parameter tell: Is told how many more bytes have been written.
  package func add(_ writer: SafetensorsWriter, tell: ((Int) -> Void)? = nil) throws(SafetensorsError) {
    try add(writer.path, followsLinks: writer.followsLinks) { emit throws(SafetensorsError) in
      guard let tell else { return try writer.emit(to: emit) }
      try writer.emit { bytes throws(SafetensorsError) in
        for start in stride(from: 0, to: bytes.count, by: Self.toldBytes) {
          let piece = bytes[start..<min(start + Self.toldBytes, bytes.count)]
          try emit(UnsafeRawBufferPointer(rebasing: piece))
          tell(piece.count)
        }
      }
    }
  }

  /// The most bytes that are written before the caller is told.
  private static var toldBytes: Int { 1 << 26 }

  /// Writes one more file of text. If that fails, all is taken back.
  package func add(_ text: String, path: String, followsLinks: Bool = false) throws(SafetensorsError) {
    let bytes = Array(text.utf8)
    try add(path, followsLinks: followsLinks) { emit throws(SafetensorsError) in
      try bytes.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes)) }
    }
  }

  private func add(
    _ path: String, followsLinks: Bool, _ content: (FileReplacement.Emit) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    try orDiscard { (replacement) throws(SafetensorsError) in
      try replacement.stage(path, followsLinks: followsLinks, content: content)
    }
  }

  /// Takes everything back if `body` fails.
  func orDiscard<R>(
    _ body: (inout FileReplacement) throws(SafetensorsError) -> R
  ) throws(SafetensorsError) -> R {
    do throws(SafetensorsError) {
      return try body(&replacement)
    } catch {
      discard()
      throw error
    }
  }

  private func discard() {
    replacement.discard()
    // Fails for a folder in which somebody else has put something.
    for folder in folders.reversed() { rmdir(folder) }
    folders = []
  }

  /// Puts all files in their places, in the order in which they were added: all of them or, when it throws another error
  /// than ``SafetensorsError/Reason/notDurable(code:)``, none.
  package func commit() throws(SafetensorsError) {
    try replacement.commit()
    folders = []
  }
}
