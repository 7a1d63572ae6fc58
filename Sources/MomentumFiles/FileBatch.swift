/// Files that are written one after the other and take their places together: the shards of a checkpoint, each as soon as
/// it is computed, so that they need not be in memory at the same time, and behind them their index.
///
/// What has been added is on the disk, without a name where the system can do that; nothing is in its place before
/// ``commit()``. See ``FileReplacement`` for what a death of the process leaves.
package final class FileBatch {
  private var replacement: FileReplacement

  package init(operations: FileOperations = .system) { replacement = FileReplacement(operations: operations) }

  deinit { replacement.discard() }

  /// Writes one more file of tensors. If that fails, all is taken back.
  package func add(_ writer: SafetensorsWriter) throws(SafetensorsError) {
    try add(writer.path, followsLinks: writer.followsLinks) { emit throws(SafetensorsError) in
      try writer.emit(to: emit)
    }
  }

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
    do throws(SafetensorsError) {
      try replacement.stage(path, followsLinks: followsLinks, content: content)
    } catch {
      replacement.discard()
      throw error
    }
  }

  /// Puts all files in their places, in the order in which they were added: all of them or, when it throws another error
  /// than ``SafetensorsError/Reason/notDurable(code:)``, none.
  package func commit() throws(SafetensorsError) { try replacement.commit() }
}
