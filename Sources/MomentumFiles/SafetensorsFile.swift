#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A safetensors file mapped into memory: opened and checked in the time its header takes, read only where it is used.
///
/// ```swift
/// let file = try SafetensorsFile(path: "model.safetensors", access: .copyOnWrite)
/// try file.withUnsafeMutableBuffer(of: "weight", as: Float.self) { weight in
///   weight[0] += 1  // in memory only
/// }
/// ```
///
/// With ``Access/copyOnWrite`` the tensors can be changed in place: the system copies a page when it is first written,
/// so a process holds one copy of each tensor and the file stays as it is. To save them, write them to a file with
/// ``SafetensorsWriter``, which may replace the one that is mapped.
///
/// Data that does not begin at a multiple of its element size is legal in the format, though no current writer leaves
/// it so. Such tensors of a ``SafetensorsScalar`` are read into aligned memory when the file is opened; their place in the mapping
/// is never touched, so these too are held once.
///
/// The mapping shows the file itself. When another program changes the file meanwhile, values may change, and when it
/// cuts the file short, a read behind the new end kills this process (`SIGBUS`), unless it has a handler for that, as
/// the command has, which then ends with a message. Programs that replace files by renaming do no such harm. ``checkUnchanged()`` tells afterwards whether all was well.
///
/// - Note: Instances may be shared by threads as long as no tensor is written by one while another uses it.
public final class SafetensorsFile: @unchecked Sendable {  // All stored properties are constant; see the note.
  /// The access to the tensors in memory.
  public enum Access: Hashable, Sendable {
    /// They are only read.
    case readOnly
    /// They may be written; the file stays as it is.
    case copyOnWrite
  }

  /// The access to the tensors in memory.
  public let access: Access
  /// The content of the header.
  public let header: SafetensorsHeader
  private let mapping: FileMapping
  private let indices: [ExactText: Int]
  private let aligned: AlignedCopies

  /// Opens, maps and checks a file.
  ///
  /// - Throws: ``SafetensorsError`` when it cannot be opened, is no regular file, or breaks a rule of the format; see
  ///   ``SafetensorsHeader/parse(_:file:)`` for their order.
  /// - Complexity: O(length of the header), and one read of each tensor that is not aligned.
  public convenience init(path: String, access: Access = .readOnly) throws(SafetensorsError) {
    try self.init(path: path, access: access, staysOpen: true)
  }

  /// - Parameter staysOpen: Whether the file is kept open as long as this instance lives, by which
  ///   ``checkUnchanged()`` finds it also when it has been renamed.
  init(path: String, access: Access, staysOpen: Bool) throws(SafetensorsError) {
    var mapping = try FileMapping(path: path, isWritable: access == .copyOnWrite)
    let header = try SafetensorsHeader.parse(mapping.bytes, file: path)
    aligned = try AlignedCopies(of: header, in: mapping)
    if !staysOpen { mapping.closeFile() }
    indices = Dictionary(uniqueKeysWithValues: zip(header.tensors.map { ExactText($0.name) }, 0...))
    self.access = access
    self.header = header
    self.mapping = mapping
  }

  /// The path as it was given.
  public var path: String { mapping.path }

  /// The tensors in the order of their data.
  public var tensors: [SafetensorsTensor] { header.tensors }

  /// The `__metadata__` of the file; empty when it has none.
  public var metadata: SafetensorsMetadata { header.metadata }

  /// The tensor of exactly this name, byte for byte; nil when there is none.
  public func tensor(named name: String) -> SafetensorsTensor? {
    indices[ExactText(name)].map { header.tensors[$0] }
  }

  /// Throws ``SafetensorsError/Reason/changedWhileOpen`` when the size or the time of the last change of the file are
  /// not those at its opening. A result made from a file that passes was made from one state of it.
  public func checkUnchanged() throws(SafetensorsError) {
    try mapping.checkUnchanged()
  }

  /// Gives the memory of tensors that were changed back to the system: they are again what the file holds. Those that do
  /// not lie at a multiple of their element size stay in memory, and as they are.
  package func discardChanges() { mapping.discardChanges() }

  /// Copies the data of a tensor, as the file has them, without bringing them into the memory of the mapping if that can be.
  package func copy(_ tensor: SafetensorsTensor, to target: UnsafeMutableRawPointer) throws(SafetensorsError) {
    guard !tensor.dataRange.isEmpty else { return }
    try mapping.copy(place(of: tensor), to: target)
  }

  /// Has the system read a tensor ahead, which will be needed soon.
  package func prefetch(_ tensor: SafetensorsTensor) { mapping.prefetch(place(of: tensor)) }

  /// Lets the pages of a tensor go, which has not been changed: they are read again if they are needed once more.
  package func release(_ tensor: SafetensorsTensor) { mapping.release(place(of: tensor)) }

  private func place(of tensor: SafetensorsTensor) -> Range<Int> {
    header.dataStart + tensor.dataRange.lowerBound..<header.dataStart + tensor.dataRange.upperBound
  }

  /// The data of a tensor of any type, as bytes in file order.
  public func withUnsafeBytes<Result: ~Copyable>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    let bytes = try bytes(at: index(of: name))
    return try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(bytes)) }
  }

  /// The elements of a tensor.
  ///
  /// - Throws: ``SafetensorsError`` when the file has no such tensor or it is of another type; whatever `body` throws.
  public func withUnsafeBuffer<Scalar: SafetensorsScalar, Result: ~Copyable>(
    of name: String, as type: Scalar.Type, _ body: (UnsafeBufferPointer<Scalar>) throws -> Result
  ) throws -> Result {
    let values = try unsafeBuffer(of: name, as: type)
    return try withExtendedLifetime(self) { try body(values) }
  }

  /// The elements of a tensor, to be changed in memory; the file must have been opened copy-on-write.
  ///
  /// - Throws: as ``withUnsafeBuffer(of:as:_:)``, and when the file was opened read-only.
  public func withUnsafeMutableBuffer<Scalar: SafetensorsScalar, Result: ~Copyable>(
    of name: String, as type: Scalar.Type, _ body: (UnsafeMutableBufferPointer<Scalar>) throws -> Result
  ) throws -> Result {
    let values = try unsafeMutableBuffer(of: name, as: type)
    return try withExtendedLifetime(self) { try body(values) }
  }

  /// The elements of a tensor, for use as long as this instance lives: keep it with `withExtendedLifetime`. Prefer
  /// ``withUnsafeBuffer(of:as:_:)`` where one tensor at a time will do. The buffer of an empty tensor has no address.
  public func unsafeBuffer<Scalar: SafetensorsScalar>(
    of name: String, as type: Scalar.Type
  ) throws(SafetensorsError) -> UnsafeBufferPointer<Scalar> {
    UnsafeBufferPointer(try elements(of: name))
  }

  /// The elements of a tensor, to be changed in memory, for use as long as this instance lives; see
  /// ``unsafeBuffer(of:as:)`` and ``withUnsafeMutableBuffer(of:as:_:)``.
  public func unsafeMutableBuffer<Scalar: SafetensorsScalar>(
    of name: String, as type: Scalar.Type
  ) throws(SafetensorsError) -> UnsafeMutableBufferPointer<Scalar> {
    guard access == .copyOnWrite else { throw SafetensorsError(file: path, reason: .readOnlyAccess(tensor: name)) }
    return try elements(of: name)
  }

  /// The data of a tensor of any type, for use as long as this instance lives.
  package func unsafeBytes(of name: String) throws(SafetensorsError) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(bytes(at: try index(of: name)))
  }

  private func elements<Scalar: SafetensorsScalar>(
    of name: String
  ) throws(SafetensorsError) -> UnsafeMutableBufferPointer<Scalar> {
    let index = try index(of: name)
    let dtype = header.tensors[index].dtype
    guard dtype == Scalar.dtype else {
      throw SafetensorsError(
        file: path, reason: .dtypeMismatch(tensor: name, dtype: dtype, expected: Scalar.dtype))
    }
    return bytes(at: index).bindMemory(to: Scalar.self)
  }

  private func index(of name: String) throws(SafetensorsError) -> Int {
    guard let index = indices[ExactText(name)] else {
      throw SafetensorsError(file: path, reason: .unknownTensor(name: name))
    }
    return index
  }

  private func bytes(at index: Int) -> UnsafeMutableRawBufferPointer {
    let range = header.tensors[index].dataRange
    guard !range.isEmpty, let base = mapping.base else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
    let start = aligned[index] ?? base + header.dataStart + range.lowerBound
    return UnsafeMutableRawBufferPointer(start: start, count: range.count)
  }
}

/// Memory for the tensors of numbers in a file that do not lie at a multiple of their element size.
private final class AlignedCopies {
  private var copies: [Int: UnsafeMutableRawPointer] = [:]

  init(of header: SafetensorsHeader, in file: borrowing FileMapping) throws(SafetensorsError) {
    for (index, tensor) in header.tensors.enumerated() where !tensor.dataRange.isEmpty {
      let alignment = tensor.dtype.bitWidth / 8
      let start = header.dataStart + tensor.dataRange.lowerBound
      guard [.f32, .f64, .bf16, .f16].contains(tensor.dtype), start % alignment != 0 else { continue }
      // It is aligned for any number, and has no page yet: a tensor that is too large for memory is an error.
      guard let copy = malloc(max(tensor.dataRange.count, 1)) else {
        throw .system("allocate \(tensor.dataRange.count) bytes for tensor \(quoted(tensor.name))", file: file.path)
      }
      copies[index] = copy
      try file.read(start..<start + tensor.dataRange.count, into: copy)
    }
  }

  deinit {
    for copy in copies.values { free(copy) }
  }

  subscript(index: Int) -> UnsafeMutableRawPointer? { copies[index] }
}
