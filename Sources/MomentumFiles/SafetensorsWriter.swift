/// Collects tensors and writes them as a safetensors file, whole or not at all.
///
/// ```swift
/// var writer = SafetensorsWriter(path: "model.safetensors", metadata: ["step": "17"])
/// try writer.add("weight", shape: [3, 4], values: weight)  // nothing is copied
/// try writer.write()
/// ```
///
/// The bytes depend on nothing but the content: tensors lie in the order of the reference writer (falling rank of their
/// type, so that `F64` comes before `F32`, then by the bytes of their names), metadata is sorted by key, and the header
/// is filled with spaces to a multiple of 8, so that all data is aligned.
///
/// The file is written beside its target, brought to the disk and then put in its place. A process killed at any moment
/// leaves the old file or the new one; an error leaves what was there. Until all is written the new file has no name, so
/// nothing is left of it (where the system has no files without names, on macOS and some file systems, it has a
/// temporary one). To have several files written all or none, see ``write(_:)``.
///
/// A file that is replaced hands on its owner, group, permissions, extended attributes and access control list, as far
/// as the system allows that to this process. Where it does not let a file have its group or list, the permissions of
/// group and others become what both had: a new file is never open to more than the old one.
public struct SafetensorsWriter {
  /// Produces the bytes of a tensor in file order by calling `emit` with one piece after the other.
  public typealias Source = (
    _ emit: (UnsafeRawBufferPointer) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) -> Void

  struct Tensor {
    var name: ExactText
    var dtype: SafetensorsDtype
    var shape: [Int]
    var byteCount: Int
    var source: Source
  }

  /// Where the file goes.
  public let path: String
  /// The pairs of strings in the header.
  public var metadata: SafetensorsMetadata
  /// Whether a symbolic link at ``path`` stands for the file behind it, which is then replaced; `false` to begin with,
  /// and such a path is refused. Links often lead into a store whose files must stay as they are, such as the cache of
  /// a model hub, where files are named by their content.
  public var followsLinks = false
  /// Whether this is the plan of a file whose tensors are written by others: it is not asked for bytes, and need not have
  /// them.
  var isOutline = false
  private(set) var tensors: [Tensor] = []
  private var names: Set<ExactText> = []

  /// Starts a file without tensors; nothing is written yet.
  public init(path: String, metadata: SafetensorsMetadata = [:]) {
    self.path = path
    self.metadata = metadata
  }

  /// Adds a tensor of numbers.
  ///
  /// - Parameters:
  ///   - name: any text but `__metadata__` that no other tensor has.
  ///   - shape: extents, slowest first, whose product is the number of values; empty for a single number.
  ///   - values: must stay valid and unchanged until the file is written.
  public mutating func add<Scalar: SafetensorsScalar>(
    _ name: String, shape: [Int], values: UnsafeBufferPointer<Scalar>
  ) throws(SafetensorsError) {
    try add(name, dtype: Scalar.dtype, shape: shape, bytes: UnsafeRawBufferPointer(values))
  }

  /// Adds a tensor of any type from its bytes in file order, which must stay valid and unchanged until the file is
  /// written.
  public mutating func add(
    _ name: String, dtype: SafetensorsDtype, shape: [Int], bytes: UnsafeRawBufferPointer
  ) throws(SafetensorsError) {
    let expected = try add(name, dtype: dtype, shape: shape) { emit throws(SafetensorsError) in try emit(bytes) }
    guard isOutline || bytes.count == expected else {
      names.remove(tensors.removeLast().name)
      throw error(.byteCountMismatch(tensor: name, bytes: bytes.count, expected: expected))
    }
  }

  /// Adds a tensor whose bytes are made while the file is written, so that they need not all be in memory.
  ///
  /// - Parameters:
  ///   - name: any text but `__metadata__` that no other tensor has.
  ///   - dtype: the type of the elements in the file.
  ///   - shape: extents, slowest first; empty for a single number.
  ///   - source: called once for each writing; must emit exactly the bytes of the shape.
  /// - Returns: how many bytes that are.
  @discardableResult
  public mutating func add(
    _ name: String, dtype: SafetensorsDtype, shape: [Int], source: @escaping Source
  ) throws(SafetensorsError) -> Int {
    guard name != SafetensorsHeaderContent.metadataKey else { throw error(.reservedName(name: name)) }
    let bytes: Int
    switch SafetensorsSize(dtype: dtype, shape: shape) {
    case .exact(_, let count): bytes = count
    case .overflow: throw error(.sizeOverflow(tensor: name, dtype: dtype, shape: shape))
    case .partialByte: throw error(.partialByte(tensor: name, dtype: dtype, shape: shape))
    }
    let exactName = ExactText(name)
    guard names.insert(exactName).inserted else { throw error(.duplicateTensor(name: name)) }
    tensors.append(Tensor(name: exactName, dtype: dtype, shape: shape, byteCount: bytes, source: source))
    return bytes
  }

  /// Writes the file.
  ///
  /// - Throws: ``SafetensorsError``; the target is then as it was, unless the reason is
  ///   ``SafetensorsError/Reason/notDurable(code:)``.
  public func write() throws(SafetensorsError) {
    try Self.write([self])
  }

  /// Writes several files so that either all of them are new or, when this throws, none: all are brought to the disk
  /// before the first takes the place of its target.
  ///
  /// A process killed while they take their places, a few calls of the system, may leave the first file new and the second
  /// old, each whole, and second names of them (`.momentum-*.tmp`). The one error that leaves all of them new is
  /// ``SafetensorsError/Reason/notDurable(code:)``.
  public static func write(_ writers: [SafetensorsWriter]) throws(SafetensorsError) {
    try write(writers, operations: .system)
  }

  package static func write(_ writers: [SafetensorsWriter], operations: FileOperations) throws(SafetensorsError) {
    let batch = FileBatch(operations: operations)
    for writer in writers { try batch.add(writer) }
    try batch.commit()
  }

  /// The whole content of the file, piece by piece.
  func emit(to emit: FileReplacement.Emit) throws(SafetensorsError) {
    let sorted = sortedTensors
    let header = try header(of: sorted)
    try header.withUnsafeBufferPointer { bytes throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(bytes)) }
    for tensor in sorted { try self.emit(tensor, to: emit) }
  }

  /// The tensors in the order of the file.
  var sortedTensors: [Tensor] {
    tensors.sorted { left, right in
      if left.dtype != right.dtype { return left.dtype.rank > right.dtype.rank }
      return left.name < right.name
    }
  }

  /// The bytes of a tensor.
  func emit(_ tensor: Tensor, to emit: FileReplacement.Emit) throws(SafetensorsError) {
    var count = 0
    try tensor.source { bytes throws(SafetensorsError) in
      count += bytes.count
      guard count <= tensor.byteCount else { throw mismatch(tensor, bytes: count) }
      try emit(bytes)
    }
    guard count == tensor.byteCount else { throw mismatch(tensor, bytes: count) }
  }

  /// The length of the header and the header with its padding, as the reference writer spells it.
  func header(of tensors: [Tensor]) throws(SafetensorsError) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.map { "\(jsonText($0.key)):\(jsonText($0.value))" }
      members.append("\(jsonText(SafetensorsHeaderContent.metadataKey)):{\(pairs.joined(separator: ","))}")
    }
    var begin = 0
    for tensor in tensors {
      let (end, overflow) = begin.addingReportingOverflow(tensor.byteCount)
      if overflow { throw error(.sizeOverflow(tensor: tensor.name.text, dtype: tensor.dtype, shape: tensor.shape)) }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      members.append(
        #"\#(jsonText(tensor.name.text)):{"dtype":"\#(tensor.dtype.rawValue)","shape":[\#(shape)],"#
          + #""data_offsets":[\#(begin),\#(end)]}"#)
      begin = end
    }
    let text = "{\(members.joined(separator: ","))}"
    let length = UInt64((text.utf8.count + 7) / 8 * 8)
    guard length <= SafetensorsHeader.maximumLength else { throw error(.headerTooLong(length: length)) }
    let prefix = withUnsafeBytes(of: length.littleEndian) { Array($0) }
    return prefix + Array(text.utf8) + Array(repeating: UInt8(ascii: " "), count: Int(length) - text.utf8.count)
  }

  private func mismatch(_ tensor: Tensor, bytes: Int) -> SafetensorsError {
    error(.byteCountMismatch(tensor: tensor.name.text, bytes: bytes, expected: tensor.byteCount))
  }

  private func error(_ reason: SafetensorsError.Reason) -> SafetensorsError {
    SafetensorsError(file: path, reason: reason)
  }
}

/// A JSON string. Only what must be escaped is, in the reference writer's spelling.
func jsonText(_ text: String) -> String {
  let mustBeEscaped = { (byte: UInt8) in byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") }
  guard text.utf8.contains(where: mustBeEscaped) else { return "\"\(text)\"" }
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += #"\""#
    case "\\": result += #"\\"#
    case "\u{8}": result += #"\b"#
    case "\u{C}": result += #"\f"#
    case "\n": result += #"\n"#
    case "\r": result += #"\r"#
    case "\t": result += #"\t"#
    case "\0"..<" ":
      let digits = String(scalar.value, radix: 16)
      result += #"\u"# + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
