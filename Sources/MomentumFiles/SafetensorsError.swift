/// Why a safetensors file could not be read or written: which file, what is wrong with it, where, what was expected.
public struct SafetensorsError: Error, Hashable, Sendable {
  /// The path as the caller gave it.
  public var file: String
  /// The reason.
  public var reason: Reason

  /// Names the file and what is wrong with it.
  public init(file: String, reason: Reason) {
    self.file = file
    self.reason = reason
  }

  /// A reason why a file could not be used. Offsets count bytes from the start of the file, except the data offsets of
  /// tensors, which count from the end of the header as in the format.
  public enum Reason: Error, Hashable, Sendable {
    // Rule 1: the length and the start of the header.

    /// The file is of another format, or was not fetched whole.
    case foreign(ForeignFile)
    /// The file has fewer than the 8 bytes of the header length.
    case tooShort(bytes: Int)
    /// The header is longer than ``SafetensorsHeader/maximumLength``.
    case headerTooLong(length: UInt64)
    /// The header ends behind the end of the file.
    case headerBeyondEnd(length: Int, fileBytes: Int)
    /// The header does not begin with `{`; nil when it is empty or white space.
    case headerStart(found: UInt8?)

    // Rule 2: the text of the header.

    /// The header is not well-formed UTF-8.
    case invalidUTF8(offset: Int)
    /// The header is not JSON, or not the JSON of this format.
    case malformedHeader(offset: Int, expected: String)
    /// A number is not a plain non-negative integer that fits in `Int`.
    case invalidInteger(offset: Int)
    /// A key occurs twice in one object; `object` is empty for the header itself, else the name of the entry.
    case duplicateKey(key: String, object: String)
    /// A value in `__metadata__` is not a string.
    case metadataNotText(key: String)
    /// The entry of a tensor lacks a field.
    case missingField(tensor: String, field: String)

    // Rule 3: element types and sizes.

    /// The format has no element type of this name.
    case unknownDtype(tensor: String, dtype: String)
    /// `Int` cannot count the bytes of this shape.
    case sizeOverflow(tensor: String, dtype: SafetensorsDtype, shape: [Int])
    /// Elements of less than a byte that do not fill their last byte.
    case partialByte(tensor: String, dtype: SafetensorsDtype, shape: [Int])

    // Rule 4: the tensors cover the data one after the other.

    /// A tensor begins before (overlap) or behind (hole) the end of the one before it.
    case notContiguous(tensor: String, begin: Int, expected: Int)
    /// The data of a tensor ends before it begins.
    case reversedOffsets(tensor: String, begin: Int, end: Int)
    /// The offsets and the shape disagree on the number of bytes; also thrown when writing.
    case byteCountMismatch(tensor: String, bytes: Int, expected: Int)

    // Rule 5: the data ends where the file ends.

    /// The file ends before the data does.
    case truncated(fileBytes: Int, expected: Int)
    /// The file goes on behind the data.
    case trailingBytes(fileBytes: Int, expected: Int)

    // Use of a file that is valid.

    /// The file holds no tensor of this name.
    case unknownTensor(name: String)
    /// A tensor was asked for as another type than its own.
    case dtypeMismatch(tensor: String, dtype: SafetensorsDtype, expected: SafetensorsDtype)
    /// Mutable access to a file opened read-only.
    case readOnlyAccess(tensor: String)

    // Files that belong together.

    /// The index of a checkpoint is not JSON, or not the JSON of an index.
    case malformedIndex(offset: Int, expected: String)
    /// The index says of no tensor where it lies.
    case noWeightMap
    /// The index names no tensor, so that nobody can tell what it was made for.
    case emptyIndex
    /// The index exceeds a limit.
    case indexTooLarge(what: String, count: Int, most: Int)
    /// The index names a file that could lie elsewhere.
    case refusedShardName(shard: String, tensor: String, fault: ShardNameFault)
    /// Files that the index names are not there.
    case missingShards([String], of: Int)
    /// The index names a tensor that its file does not have.
    case tensorNotInShard(tensor: String, shard: String)
    /// A file of the index has a tensor that the index does not name.
    case tensorNotInIndex(tensor: String, shard: String)
    /// Two files of one set have a tensor of this name.
    case tensorInTwoFiles(tensor: String, other: String)
    /// The file holds parts of tensors, as distributed checkpoints of PyTorch have them.
    case partsOfTensors
    /// A folder in which several files could be meant, or none.
    case ambiguousFolder(candidates: [String])
    /// A file where a set of files is to be written, which takes a folder.
    case noFolder(fileCount: Int)

    // Writing.

    /// A tensor of this name has been added already.
    case duplicateTensor(name: String)
    /// The name `__metadata__` is not for tensors.
    case reservedName(name: String)
    /// Two of the files that were to be written together are the same file.
    case duplicateTarget

    // The file system.

    /// The path names a directory, a device or the like.
    case notRegularFile(kind: String)
    /// The path to write to is that of a symbolic link, and links were not to be followed.
    case symbolicLink(target: String)
    /// Another program changed the file while it was open.
    case changedWhileOpen
    /// The new file is in its place, but its directory could not be brought to the disk: nobody knows whether a loss of
    /// power would bring the old one back.
    case notDurable(code: Int32)
    /// A call of the operating system failed with this `errno`.
    case system(operation: String, code: Int32)
  }
}
