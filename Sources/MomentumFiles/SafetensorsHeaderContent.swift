/// The header as text says it: the right grammar (rule 2), not yet checked for meaning.
///
/// A general JSON decoder will not do here: Foundation's take duplicate keys and fractions without a word. What the
/// reference implementation reads is read, for files in use may have it: metadata that are `null`, a key of the metadata
/// given twice (the last one counts), further fields in the entry of a tensor, white space on both ends. Two tensors of
/// one name are refused, though it takes the last one: the format forbids them, and a tensor would be lost. So are two
/// accidents of its decoder, entries and element types in place of whose objects and names stand lists and objects.
struct SafetensorsHeaderContent {
  typealias Reason = SafetensorsError.Reason

  struct Entry {
    var name: String
    var dtype: String
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  /// The tensors in the order of the text.
  private(set) var entries: [Entry] = []
  private(set) var metadata: SafetensorsMetadata = [:]

  static let metadataKey = "__metadata__"

  /// Parses the text of a header.
  init(parsing text: UnsafeRawBufferPointer) throws(Reason) {
    var scanner = JSONScanner(text, offset: 8)
    try scanner.checkUTF8()
    var keys: Set<ExactText> = []
    try scanner.object { (scanner, key) throws(Reason) in
      guard keys.insert(ExactText(key)).inserted else { throw .duplicateKey(key: key, object: "") }
      if key == Self.metadataKey {
        metadata = try Self.metadata(&scanner)
      } else {
        entries.append(try Self.entry(&scanner, name: key))
      }
    }
    try scanner.end()
  }

  private static func metadata(_ scanner: inout JSONScanner) throws(Reason) -> SafetensorsMetadata {
    var metadata: SafetensorsMetadata = [:]
    if scanner.takeWord("null") { return metadata }
    try scanner.object { (scanner, key) throws(Reason) in
      guard scanner.nextIs("\"") else { throw .metadataNotText(key: key) }
      metadata[key] = try scanner.string()
    }
    return metadata
  }

  private static func entry(_ scanner: inout JSONScanner, name: String) throws(Reason) -> Entry {
    var dtype: String?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { (scanner, field) throws(Reason) in
      let isRepeated: Bool
      switch field {
      case "dtype":
        isRepeated = dtype != nil
        dtype = try scanner.string()
      case "shape":
        isRepeated = shape != nil
        shape = try scanner.integers()
      case "data_offsets":
        isRepeated = offsets != nil
        let offset = scanner.offset
        let values = try scanner.integers()
        guard values.count == 2 else { throw .malformedHeader(offset: offset, expected: "two data offsets") }
        offsets = values
      default:
        isRepeated = false
        try scanner.skipValue()
      }
      if isRepeated { throw .duplicateKey(key: field, object: name) }
    }
    guard let dtype else { throw .missingField(tensor: name, field: "dtype") }
    guard let shape else { throw .missingField(tensor: name, field: "shape") }
    guard let offsets else { throw .missingField(tensor: name, field: "data_offsets") }
    return Entry(name: name, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
  }
}
