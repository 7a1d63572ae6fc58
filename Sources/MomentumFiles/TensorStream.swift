internal import Dispatch
internal import Synchronization

/// A file of tensors that is written group by group, in any order, so that they need not be in memory at the same time.
///
/// What the file will hold is known from the beginning, so that its header comes first and each group has its place. Its
/// bytes are those that one ``SafetensorsWriter`` of all tensors writes.
package final class TensorStream {
  private let path: String
  /// The number of the file in its batch.
  private let number: Int
  private let header: [UInt8]
  /// Where each tensor that has not been written yet lies in the file.
  private var places: [ExactText: Range<Int>] = [:]

  /// - Parameter outline: The file; its tensors are not asked for their bytes.
  init(_ outline: SafetensorsWriter, number: Int) throws(SafetensorsError) {
    (path, self.number) = (outline.path, number)
    let tensors = outline.sortedTensors
    header = try outline.header(of: tensors)
    var begin = header.count
    for tensor in tensors {
      places[tensor.name] = begin..<begin + tensor.byteCount
      begin += tensor.byteCount
    }
  }

  func writeHeader(_ replacement: FileReplacement) throws(SafetensorsError) {
    try header.withUnsafeBufferPointer { bytes throws(SafetensorsError) in
      try replacement.write(UnsafeRawBufferPointer(bytes), at: 0, ofFile: number)
    }
  }

  /// Writes some tensors, each once.
  func write(_ group: SafetensorsWriter, _ replacement: FileReplacement) throws(SafetensorsError) {
    var (begin, end) = (0, 0)
    func write(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
      try replacement.write(bytes, at: begin, ofFile: number)
      begin += bytes.count
    }
    var gathered = GatheredBytes()
    for tensor in group.sortedTensors {
      guard let place = places.removeValue(forKey: tensor.name), place.count == tensor.byteCount else {
        preconditionFailure("tensor '\(tensor.name.text)' is not in the outline of \(path), or was written before")
      }
      // Neighbours are written together.
      if place.lowerBound != end {
        try gathered.flush(write)
        begin = place.lowerBound
      }
      try group.emit(tensor) { (bytes) throws(SafetensorsError) in try gathered.append(bytes, write) }
      end = place.upperBound
    }
    try gathered.flush(write)
  }

  /// All tensors have been written.
  func finish() {
    precondition(places.isEmpty, "\(path) lacks tensor '\(places.keys.first?.text ?? "")'")
  }
}

extension FileBatch {
  /// Begins one more file, whose tensors follow in groups. If that fails, all is taken back.
  ///
  /// - Parameter outline: The file; its tensors are not asked for their bytes.
  package func begin(_ outline: SafetensorsWriter) throws(SafetensorsError) -> TensorStream {
    try orDiscard { (replacement) throws(SafetensorsError) in
      let number = try replacement.begin(outline.path, followsLinks: outline.followsLinks)
      let stream = try TensorStream(outline, number: number)
      try stream.writeHeader(replacement)
      return stream
    }
  }

  /// Writes tensors of files that have been begun, each once, and to several files at the same time: what takes the time is
  /// the copying of bytes into the memory of the system. If that fails, all is taken back.
  ///
  /// - Parameter groups: The tensors for each file, of which none occurs twice.
  package func add(_ groups: [(SafetensorsWriter, TensorStream)]) throws(SafetensorsError) {
    try orDiscard { (replacement) throws(SafetensorsError) in
      // A stream is used by one thread, and writing to the files changes nothing that they share.
      nonisolated(unsafe) let (groups, files) = (groups, replacement)
      let failures = Mutex<[SafetensorsError?]>(Array(repeating: nil, count: groups.count))
      DispatchQueue.concurrentPerform(iterations: groups.count) { index in
        let (group, stream) = groups[index]
        do throws(SafetensorsError) {
          try stream.write(group, files)
        } catch {
          failures.withLock { $0[index] = error }
        }
      }
      if let failure = failures.withLock({ $0.compactMap(\.self).first }) { throw failure }
    }
  }

  /// Ends a file: all its tensors have been written. It is brought to the disk by ``commit()``.
  package func end(_ stream: TensorStream) { stream.finish() }
}
