extension SafetensorsError: CustomStringConvertible {
  /// One line: the file, then the cause.
  public var description: String { "\(file): \(reason)" }
}

extension SafetensorsError.Reason: CustomStringConvertible {
  public var description: String {
    switch self {
    case .foreign(let file):
      "\(file); \(file.advice)"
    case .tooShort(let bytes):
      "has \(bytes) bytes; expected a safetensors file, at least the 8 bytes of the header length"
    case .headerTooLong(let length):
      "the header has \(length) bytes; expected at most \(SafetensorsHeader.maximumLength)"
    case .headerBeyondEnd(let length, let fileBytes):
      "the header has \(length) bytes but the file only \(fileBytes); expected at least 8 + \(length)"
    case .headerStart(let found):
      "the header begins with \(found.map { "byte \($0)" } ?? "nothing"); expected '{' (byte 123)"

    case .invalidUTF8(let offset):
      "the header is not UTF-8 at byte \(offset); expected well-formed UTF-8"
    case .malformedHeader(let offset, let expected):
      "the header is malformed at byte \(offset); expected \(expected)"
    case .invalidInteger(let offset):
      "the number at byte \(offset) of the header is no plain integer; expected 0 to \(Int.max), digits only"
    case .duplicateKey(let key, let object):
      "the key \(quoted(key)) occurs twice in \(object.isEmpty ? "the header" : quoted(object)); expected unique keys"
    case .metadataNotText(let key):
      "the metadata of key \(quoted(key)) is not a string; expected strings only"
    case .missingField(let tensor, let field):
      "tensor \(quoted(tensor)) has no field \(quoted(field)); expected dtype, shape and data_offsets"

    case .unknownDtype(let tensor, let dtype):
      "tensor \(quoted(tensor)) has the unknown dtype \(quoted(dtype)); expected one of \(knownDtypes)"
    case .sizeOverflow(let tensor, let dtype, let shape):
      "tensor \(quoted(tensor)) of \(dtype.rawValue) has shape \(shape); expected non-negative extents and a size "
        + "that fits in Int"
    case .partialByte(let tensor, let dtype, let shape):
      "tensor \(quoted(tensor)) of \(dtype.rawValue) has shape \(shape), which leaves a byte partly used; expected "
        + "whole bytes"

    case .notContiguous(let tensor, let begin, let expected):
      "the data of tensor \(quoted(tensor)) begins at offset \(begin); expected \(expected), the end of the one before"
    case .reversedOffsets(let tensor, let begin, let end):
      "the data of tensor \(quoted(tensor)) begins at offset \(begin) and ends at \(end); expected begin <= end"
    case .byteCountMismatch(let tensor, let bytes, let expected):
      "tensor \(quoted(tensor)) has \(bytes) bytes of data; expected \(expected) by its dtype and shape"
    case .truncated(let fileBytes, let expected):
      "the file has \(fileBytes) bytes; expected \(expected), it is cut short"
    case .trailingBytes(let fileBytes, let expected):
      "the file has \(fileBytes) bytes; expected \(expected), the data ends before the file does"

    case .unknownTensor(let name):
      "has no tensor \(quoted(name)); expected the name of one of its tensors"
    case .dtypeMismatch(let tensor, let dtype, let expected):
      "tensor \(quoted(tensor)) has dtype \(dtype.rawValue); expected \(expected.rawValue)"
    case .readOnlyAccess(let tensor):
      "tensor \(quoted(tensor)) was to be changed in a file opened read-only; expected copy-on-write access"

    case .malformedIndex(let offset, let expected):
      "the index is malformed at byte \(offset); expected \(expected)"
    case .noWeightMap:
      "the index has no 'weight_map'; expected an object that gives each tensor its file"
    case .emptyIndex:
      "the index names no tensor; expected at least one in its 'weight_map'"
    case .indexTooLarge(let what, let count, let most):
      "the index has \(count) \(what); expected at most \(most)"
    case .refusedShardName(let shard, let tensor, let fault):
      "the index places tensor \(quoted(tensor)) in the file \(quoted(shard)), whose name \(fault.rawValue); expected the "
        + "name of a .safetensors file in the folder of the index"
    case .missingShards(let shards, let count):
      "\(shards.count) of \(count) shards \(shards.count == 1 ? "is" : "are") missing: \(list(shards))"
    case .tensorNotInShard(let tensor, let shard):
      "the index places tensor \(quoted(tensor)) in \(quoted(shard)), which does not have it"
    case .tensorNotInIndex(let tensor, let shard):
      "tensor \(quoted(tensor)) of \(quoted(shard)) is not in the index; expected every tensor of every shard"
    case .tensorInTwoFiles(let tensor, let other):
      "tensor \(quoted(tensor)) is in \(other.escapingControls) too; expected each name once in a set of files"
    case .partsOfTensors:
      "holds parts of tensors, of a distributed checkpoint; expected whole tensors: consolidate the checkpoint first"
    case .ambiguousFolder(let candidates):
      candidates.isEmpty
        ? "has no .safetensors file and no index; expected one of them"
        : "has several files that may be meant: \(list(candidates)); expected the path of one of them, or of several"
    case .noFolder(let count):
      "is no folder; expected one, for \(count == 1 ? "a file and its index" : "\(count) files")"

    case .duplicateTensor(let name):
      "tensor \(quoted(name)) was given twice; expected unique names"
    case .reservedName(let name):
      "a tensor was named \(quoted(name)); expected another name, the format reserves this one"
    case .duplicateTarget:
      "is the target of two files written together; expected different paths"

    case .notRegularFile(let kind):
      "is \(kind); expected a regular file" + (kind == "a directory" ? ", perhaps one in it" : "")
    case .symbolicLink(let target):
      "is a symbolic link to \(quoted(target)); expected the path of a file, or links to be followed (--follow-links, "
        + "SafetensorsWriter.followsLinks)"
    case .changedWhileOpen:
      "was changed by another program while it was read; expected it to stay as it was"
    case .notDurable(let code):
      "is in its place, but its directory could not be brought to the disk, so that a loss of power may bring the old "
        + "file back: \(systemMessage(code))"
    case .system(let operation, let code):
      "could not \(operation): \(systemMessage(code))"
    }
  }
}

/// The first names of many, in quotes.
private func list(_ names: [String]) -> String {
  names.prefix(8).map(quoted).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
}

private let knownDtypes = SafetensorsDtype.allCases.map(\.rawValue).joined(separator: ", ")

/// The text in quotes, escaped so that a message stays on one line whatever a file calls its tensors.
func quoted(_ text: String) -> String {
  "'\(String(text.unicodeScalars.prefix(200)).escapingControls)'" + (text.unicodeScalars.count > 200 ? "..." : "")
}

extension String {
  /// The text with every character escaped that acts on a terminal instead of being shown: control characters, line
  /// separators, and what changes the direction of text or has no width.
  package var escapingControls: String {
    if utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return self }
    var shown = ""
    for scalar in unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator: shown += scalar.escaped(asASCII: true)
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }
}
