/// Why a safetensors file could not be read or written: which file, what is wrong with it, where, what was expected.
public struct SafetensorsError: Error, Hashable, Sendable {
  /// The path as the caller gave it.
  public var file: String
  public var reason: Reason

  public init(file: String, reason: Reason) {
    self.file = file
    self.reason = reason
  }

  /// What went wrong. Offsets count bytes from the start of the file, except the data offsets of tensors, which count
  /// from the end of the header as in the format.
  public enum Reason: Error, Hashable, Sendable {
    // Rule 1: the length and the start of the header.

    /// The file has fewer than the 8 bytes of the header length.
    case tooShort(bytes: Int)
    /// The header is longer than ``SafetensorsHeader/maximumLength``.
    case headerTooLong(length: UInt64)
    /// The header ends behind the end of the file.
    case headerBeyondEnd(length: Int, fileBytes: Int)
    /// The first byte of the header is not `{`; nil when the header is empty.
    case headerStart(found: UInt8?)

    // Rule 2: the text of the header.

    case invalidUTF8(offset: Int)
    /// The header is not JSON, or not the JSON of this format.
    case malformedHeader(offset: Int, expected: String)
    /// A number is not a plain non-negative integer that fits in `Int`.
    case invalidInteger(offset: Int)
    /// A key occurs twice in one object; `object` is empty for the header itself, else the name of the entry.
    case duplicateKey(key: String, object: String)
    /// A value in `__metadata__` is not a string.
    case metadataNotText(key: String)
    case missingField(tensor: String, field: String)
    case unexpectedField(tensor: String, field: String)

    // Rule 3: element types and sizes.

    case unknownDtype(tensor: String, dtype: String)
    case sizeOverflow(tensor: String, dtype: SafetensorsDtype, shape: [Int])
    /// Elements of less than a byte that do not fill their last byte.
    case partialByte(tensor: String, dtype: SafetensorsDtype, shape: [Int])

    // Rule 4: the tensors cover the data one after the other.

    /// A tensor begins before (overlap) or behind (hole) the end of the one before it.
    case notContiguous(tensor: String, begin: Int, expected: Int)
    case reversedOffsets(tensor: String, begin: Int, end: Int)
    /// The offsets and the shape disagree on the number of bytes; also thrown when writing.
    case byteCountMismatch(tensor: String, bytes: Int, expected: Int)

    // Rule 5: the data ends where the file ends.

    case truncated(fileBytes: Int, expected: Int)
    case trailingBytes(fileBytes: Int, expected: Int)

    // Use of a file that is valid.

    case unknownTensor(name: String)
    case dtypeMismatch(tensor: String, dtype: SafetensorsDtype, expected: SafetensorsDtype)
    /// Mutable access to a file opened read-only.
    case readOnlyAccess(tensor: String)

    // Writing.

    case duplicateTensor(name: String)
    /// The name `__metadata__` is not for tensors.
    case reservedName(name: String)
    /// Two of the files that were to be written together are the same file.
    case duplicateTarget

    // The file system.

    case notRegularFile(kind: String)
    /// Another program changed the file while it was open.
    case changedWhileOpen
    case allocationFailed(bytes: Int)
    /// A call of the operating system failed with this `errno`.
    case system(operation: String, code: Int32)
  }
}
