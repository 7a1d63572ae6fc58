internal import Dispatch
internal import Synchronization

/// A file of tensors that is written group by group, in any order, so that they need not be in memory at the same time;
/// by one process, or by several that have a file system in common.
///
/// What the file will hold is known from the beginning, so that its header comes first and each group has its place. Its
/// bytes are those that one ``SafetensorsWriter`` of all tensors writes.
package final class TensorStream {
  /// A file that several processes write, as the one that has begun it tells the others.
  package struct Plan: Codable, Sendable {
    fileprivate struct Place: Codable {
      var tensor: String
      var begin: Int
      var end: Int
    }

    /// Where the file goes.
    fileprivate var path: String
    /// Where it is until all is written.
    fileprivate var temporaryPath: String
    fileprivate var places: [Place]
  }

  private let path: String
  private let part: FileReplacement.Part
  private let temporaryPath: String?
  /// Where each tensor that has not been written here yet lies in the file.
  private var places: [ExactText: Range<Int>] = [:]
  /// How many bytes the tensors have, and how many of them have been written here.
  package let byteCount: Int
  package private(set) var writtenByteCount = 0

  /// Begins a file.
  ///
  /// - Parameter outline: The file; its tensors are not asked for their bytes.
  fileprivate init(
    _ outline: SafetensorsWriter, isShared: Bool, _ replacement: inout FileReplacement
  ) throws(SafetensorsError) {
    path = outline.path
    let tensors = outline.sortedTensors
    let header = try outline.header(of: tensors)
    var begin = header.count
    for tensor in tensors {
      places[tensor.name] = begin..<begin + tensor.byteCount
      begin += tensor.byteCount
    }
    byteCount = begin - header.count
    part = try replacement.begin(path, followsLinks: outline.followsLinks, isShared: isShared)
    temporaryPath = replacement.temporaryPath(of: part)
    let (files, part) = (replacement, part)
    try header.withUnsafeBufferPointer { bytes throws(SafetensorsError) in
      try files.write(UnsafeRawBufferPointer(bytes), at: 0, of: part)
    }
  }

  /// Joins in the writing of a file that another process has begun.
  fileprivate init(_ plan: Plan, _ replacement: inout FileReplacement) throws(SafetensorsError) {
    (path, temporaryPath) = (plan.path, nil)
    for place in plan.places { places[ExactText(place.tensor)] = place.begin..<place.end }
    byteCount = plan.places.reduce(0) { $0 + ($1.end - $1.begin) }
    part = try replacement.join(path, temporaryPath: plan.temporaryPath)
  }

  /// What other processes must know to write tensors of this file, before any is written; it must have been begun as one that
  /// is shared.
  package var plan: Plan {
    guard let temporaryPath else { preconditionFailure("\(path) is not shared") }
    let places = places.map { Plan.Place(tensor: $0.key.text, begin: $0.value.lowerBound, end: $0.value.upperBound) }
    return Plan(path: path, temporaryPath: temporaryPath, places: places)
  }

  /// Writes some tensors, each once.
  func write(_ group: SafetensorsWriter, _ replacement: FileReplacement) throws(SafetensorsError) {
    var (begin, end) = (0, 0)
    func write(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsError) {
      try replacement.write(bytes, at: begin, of: part)
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
      writtenByteCount += tensor.byteCount
    }
    try gathered.flush(write)
  }

  /// All tensors have been written here.
  func finish() {
    precondition(places.isEmpty, "\(path) lacks tensor '\(places.keys.first?.text ?? "")'")
  }
}

extension FileBatch {
  /// Begins one more file, whose tensors follow in groups. If that fails, all is taken back.
  ///
  /// - Parameters:
  ///   - outline: The file; its tensors are not asked for their bytes.
  ///   - isShared: Whether other processes write some of the tensors; see ``join(_:)``. The file then has a temporary name
  ///     from now on. This process commits when the others have, and counts with them whether all bytes are there.
  package func begin(_ outline: SafetensorsWriter, isShared: Bool = false) throws(SafetensorsError) -> TensorStream {
    try orDiscard { (replacement) throws(SafetensorsError) in
      try TensorStream(outline, isShared: isShared, &replacement)
    }
  }

  /// Joins in the writing of a file that another process has begun and will put in its place. ``commit()`` here brings to
  /// the disk what was written here. If that fails, all is taken back.
  package func join(_ plan: TensorStream.Plan) throws(SafetensorsError) -> TensorStream {
    try orDiscard { (replacement) throws(SafetensorsError) in try TensorStream(plan, &replacement) }
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

  /// Ends a file that this process writes alone: all its tensors have been written. It is brought to the disk by
  /// ``commit()``.
  package func end(_ stream: TensorStream) { stream.finish() }
}
