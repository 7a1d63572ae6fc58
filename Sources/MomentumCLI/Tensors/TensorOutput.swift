import MomentumFiles

/// Where commands write tensors.
enum TensorOutput {
  /// Refuses a path that no file could be written to, before the work whose result would go there.
  static func check(_ path: String, followsLinks: Bool) throws {
    guard !StandardStream.isOutput(path) else { return }
    try FileReplacement.check(path, followsLinks: followsLinks)
  }

  /// Writes files, all or none, or one file to standard output.
  ///
  /// - Parameter source: The file that the tensors are in, if they are in its mapping. When writing fails because
  ///   another program has cut it short, the error says so.
  static func write(_ writers: [SafetensorsWriter], from source: TensorFile? = nil) throws {
    do {
      if let writer = writers.first, StandardStream.isOutput(writer.path) {
        try StandardOutput.write(writer)
      } else {
        try SafetensorsWriter.write(writers)
      }
    } catch {
      try source?.file.checkUnchanged()
      throw error
    }
  }
}
