/// One tensor as the header of a file describes it.
public struct SafetensorsTensor: Hashable, Sendable {
  /// The name, unique in its file: two names are the same if their bytes are.
  public var name: String
  /// The type of its elements.
  public var dtype: SafetensorsDtype
  /// Extents, slowest first; empty for a single number.
  public var shape: [Int]
  /// The number of elements: the product of the shape.
  public var count: Int
  /// Where the data lies, counted from the end of the header.
  public var dataRange: Range<Int>

  package init(name: String, dtype: SafetensorsDtype, shape: [Int], count: Int, dataRange: Range<Int>) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.count = count
    self.dataRange = dataRange
  }
}

extension SafetensorsTensor {
  public static func == (left: SafetensorsTensor, right: SafetensorsTensor) -> Bool {
    ExactText(left.name) == ExactText(right.name) && left.dtype == right.dtype && left.shape == right.shape
      && left.count == right.count && left.dataRange == right.dataRange
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(ExactText(name))
    hasher.combine(dtype)
    hasher.combine(shape)
    hasher.combine(dataRange)
  }
}

/// The header of a safetensors file, checked against the whole file.
///
/// A value of this type is a promise: the tensors cover the data from its first byte to its last, one after the other,
/// and each has as many bytes as its type and shape say.
public struct SafetensorsHeader: Hashable, Sendable {
  /// The longest header that is read or written, in bytes; the reference has the same limit.
  public static let maximumLength = 100_000_000

  /// The tensors in the order of their data.
  public var tensors: [SafetensorsTensor]
  /// The `__metadata__` of the file; empty when it has none.
  public var metadata: SafetensorsMetadata
  /// Where the data begins: 8 bytes and the length of the header.
  public var dataStart: Int

  /// Reads and checks the header of a file.
  ///
  /// The rules are checked in this order over the whole file, so that the error of the earliest rule is the one thrown:
  /// the length and the first character; UTF-8, JSON, unique names, integers; element types and sizes; offsets; the end
  /// of the file. Names are told apart by their bytes, not by Swift's equality of text, for which two spellings of "é"
  /// are one. A file that breaks the first rule is named by what it is, if that can be seen (``ForeignFile``).
  ///
  /// - Parameters:
  ///   - bytes: the whole file. Of the data behind the header only the size is used.
  ///   - file: the name for errors.
  /// - Complexity: O(h log h) for a header of h bytes, whatever the size of the data.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, file: String = "data"
  ) throws(SafetensorsError) -> SafetensorsHeader {
    do throws(Reason) {
      let text = try headerText(of: bytes)
      let content = try SafetensorsHeaderContent(parsing: text)
      let dataStart = 8 + text.count
      let tensors = try contiguous(content.entries.map { entry throws(Reason) in try sized(entry) })
      try checkEnd(of: tensors, dataStart: dataStart, fileBytes: bytes.count)
      return SafetensorsHeader(tensors: tensors, metadata: content.metadata, dataStart: dataStart)
    } catch {
      throw SafetensorsError(file: file, reason: error)
    }
  }

  typealias Reason = SafetensorsError.Reason

  /// Rule 1: the bytes of the header, which lie in the file and begin with `{`, perhaps behind white space.
  private static func headerText(of bytes: UnsafeRawBufferPointer) throws(Reason) -> UnsafeRawBufferPointer {
    do throws(Reason) {
      return try lengthChecked(bytes)
    } catch {
      // A header that begins rightly is that of a file cut short, whatever its length looks like.
      if case .headerBeyondEnd = error, bytes.dropFirst(8).first == UInt8(ascii: "{") { throw error }
      throw ForeignFile(beginning: bytes).map(Reason.foreign) ?? error
    }
  }

  private static func lengthChecked(_ bytes: UnsafeRawBufferPointer) throws(Reason) -> UnsafeRawBufferPointer {
    guard bytes.count >= 8 else { throw .tooShort(bytes: bytes.count) }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    // Within this limit the length fits in Int and 8 can be added to it.
    guard length <= UInt64(maximumLength) else { throw .headerTooLong(length: length) }
    guard 8 + Int(length) <= bytes.count else {
      throw .headerBeyondEnd(length: Int(length), fileBytes: bytes.count)
    }
    let text = UnsafeRawBufferPointer(rebasing: bytes[8..<8 + Int(length)])
    let first = text.first { !JSONScanner.isSpace($0) }
    guard first == UInt8(ascii: "{") else { throw .headerStart(found: first) }
    return text
  }

  /// Rule 3: an entry whose element type is known and whose size fits; with it what its offsets must cover.
  private static func sized(
    _ entry: SafetensorsHeaderContent.Entry
  ) throws(Reason) -> (entry: SafetensorsHeaderContent.Entry, dtype: SafetensorsDtype, count: Int, bytes: Int) {
    guard let dtype = SafetensorsDtype(rawValue: entry.dtype) else {
      throw .unknownDtype(tensor: entry.name, dtype: entry.dtype)
    }
    switch SafetensorsSize(dtype: dtype, shape: entry.shape) {
    case .exact(let count, let bytes): return (entry, dtype, count, bytes)
    case .overflow: throw .sizeOverflow(tensor: entry.name, dtype: dtype, shape: entry.shape)
    case .partialByte: throw .partialByte(tensor: entry.name, dtype: dtype, shape: entry.shape)
    }
  }

  /// Rule 4: the tensors by offset, without holes or overlaps, each of its size.
  private static func contiguous(
    _ entries: [(entry: SafetensorsHeaderContent.Entry, dtype: SafetensorsDtype, count: Int, bytes: Int)]
  ) throws(Reason) -> [SafetensorsTensor] {
    // The end decides between tensors of one begin: all but the last of them must be empty.
    let sorted = entries.sorted { ($0.entry.begin, $0.entry.end) < ($1.entry.begin, $1.entry.end) }
    var tensors: [SafetensorsTensor] = []
    tensors.reserveCapacity(sorted.count)
    var expected = 0
    for (entry, dtype, count, bytes) in sorted {
      let (begin, end) = (entry.begin, entry.end)
      guard begin == expected else {
        throw .notContiguous(tensor: entry.name, begin: begin, expected: expected)
      }
      guard begin <= end else { throw .reversedOffsets(tensor: entry.name, begin: begin, end: end) }
      guard end - begin == bytes else {
        throw .byteCountMismatch(tensor: entry.name, bytes: end - begin, expected: bytes)
      }
      tensors.append(
        SafetensorsTensor(name: entry.name, dtype: dtype, shape: entry.shape, count: count, dataRange: begin..<end))
      expected = end
    }
    return tensors
  }

  /// Rule 5: the data ends where the file ends.
  private static func checkEnd(
    of tensors: [SafetensorsTensor], dataStart: Int, fileBytes: Int
  ) throws(Reason) {
    let (end, overflow) = dataStart.addingReportingOverflow(tensors.last?.dataRange.upperBound ?? 0)
    if overflow { throw .truncated(fileBytes: fileBytes, expected: Int.max) }
    if fileBytes < end { throw .truncated(fileBytes: fileBytes, expected: end) }
    if fileBytes > end { throw .trailingBytes(fileBytes: fileBytes, expected: end) }
  }
}
