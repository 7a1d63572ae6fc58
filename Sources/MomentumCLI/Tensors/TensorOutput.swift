import MomentumFiles

/// Where commands write tensors.
enum TensorOutput {
  /// Refuses, before any work is done, an output that could not be written. From now on standard output is kept for a
  /// file of tensors if that is where it goes.
  static func check(_ path: String, followsLinks: Bool) throws {
    if StandardStream.isOutput(path) { return StandardOutput.keepForFile() }
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
