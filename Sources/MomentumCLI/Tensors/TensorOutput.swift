import MomentumFiles

/// Where commands write tensors.
enum TensorOutput {
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
