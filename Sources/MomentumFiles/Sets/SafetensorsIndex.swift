/// The index of a checkpoint that is spread over several files: which tensor lies in which of them.
///
/// It is the JSON that the libraries of Hugging Face write as `model.safetensors.index.json`: an object whose `weight_map`
/// gives each tensor the name of its file, relative to the folder of the index, and whose `metadata` may give the bytes
/// of all tensors as `total_size`.
///
/// Where a file lies is judged by the spelling of its name alone (``ShardNameFault``), before anything is opened: the
/// files of a download cache are links, so where they lead says nothing.
public struct SafetensorsIndex: Hashable, Sendable {
  /// The place of one tensor.
  public struct Entry: Hashable, Sendable {
    /// The name of the tensor.
    public var tensor: String
    /// The name of its file, relative to the folder of the index.
    public var shard: String

    /// Places a tensor.
    public init(tensor: String, shard: String) {
      self.tensor = tensor
      self.shard = shard
    }

    /// Compares the bytes of the names.
    public static func == (left: Entry, right: Entry) -> Bool {
      ExactText(left.tensor) == ExactText(right.tensor) && ExactText(left.shard) == ExactText(right.shard)
    }

    public func hash(into hasher: inout Hasher) {
      hasher.combine(ExactText(tensor))
      hasher.combine(ExactText(shard))
    }
  }

  /// The longest index that is read, in bytes.
  public static let maximumLength = 100_000_000
  /// The most tensors of an index.
  public static let maximumTensorCount = 1 << 20
  /// The most files of an index.
  public static let maximumShardCount = 100_000

  /// The deepest nesting of a value that is read over. With the index and its metadata around it there are 64 levels.
  private static let deepestValue = 62

  /// The tensors in the order of the index.
  public private(set) var entries: [Entry] = []
  /// The names of the files, sorted by their bytes.
  public private(set) var shards: [String] = []
  /// The bytes of all tensors as the index gives them; `nil` if it does not, or not as a plain integer.
  public private(set) var totalSize: Int?
  /// Keys beside `weight_map` and `metadata`, which mean nothing here.
  public private(set) var unknownKeys: [String] = []

  /// Reads and checks an index.
  ///
  /// - Parameters:
  ///   - bytes: The whole file.
  ///   - file: The name for errors.
  /// - Throws: ``SafetensorsError``: JSON that is malformed, a name twice, a file name that is refused, a limit.
  /// - Complexity: O(n log n) for n bytes.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, file: String = "data"
  ) throws(SafetensorsError) -> SafetensorsIndex {
    do throws(Reason) {
      var index = SafetensorsIndex()
      try index.read(bytes)
      return index
    } catch {
      throw SafetensorsError(file: file, reason: error.ofIndex)
    }
  }

  /// Opens, reads and checks an index.
  public init(path: String) throws(SafetensorsError) {
    let file = try FileMapping(path: path, isWritable: false)
    self = try Self.parse(file.bytes, file: path)
  }

  private init() {}

  /// Makes an index of tensors that lie in files, each name once.
  init(_ entries: [Entry], totalSize: Int) {
    self.entries = entries
    shards = Set(entries.map { ExactText($0.shard) }).sorted().map(\.text)
    self.totalSize = totalSize
  }

  /// The index as a file holds it, as the libraries of Hugging Face lay it out.
  var text: String {
    let places = entries.map { "    \(jsonText($0.tensor)): \(jsonText($0.shard))" }.joined(separator: ",\n")
    let total = totalSize.map { "\n    \"total_size\": \($0)\n  " } ?? ""
    return "{\n  \"metadata\": {\(total)},\n  \"weight_map\": {\n\(places)\n  }\n}\n"
  }

  typealias Reason = SafetensorsError.Reason

  private mutating func read(_ bytes: UnsafeRawBufferPointer) throws(Reason) {
    guard bytes.count <= Self.maximumLength else {
      throw .indexTooLarge(what: "bytes", count: bytes.count, most: Self.maximumLength)
    }
    var scanner = JSONScanner(bytes, offset: 0)
    try scanner.checkUTF8()
    if !scanner.nextIs("{"), let other = ForeignFile(beginning: bytes), ![.json, .shardIndex].contains(other) {
      throw .foreign(other)
    }
    var keys: Set<ExactText> = []
    var hasMap = false
    var content = self
    try scanner.object { (scanner, key) throws(Reason) in
      guard keys.insert(ExactText(key)).inserted else { throw .duplicateKey(key: key, object: "index") }
      switch key {
      case "weight_map":
        hasMap = true
        try content.readMap(&scanner)
      case "metadata":
        try content.readMetadata(&scanner)
      default:
        content.unknownKeys.append(key)
        try scanner.skipValue(deepest: Self.deepestValue)
      }
    }
    try scanner.end()
    guard hasMap else { throw .noWeightMap }
    self = content
  }

  private mutating func readMap(_ scanner: inout JSONScanner) throws(Reason) {
    var (tensors, names) = (Set<ExactText>(), Set<ExactText>())
    var entries: [Entry] = []
    try scanner.object { (scanner, tensor) throws(Reason) in
      guard tensors.insert(ExactText(tensor)).inserted else {
        throw .duplicateKey(key: tensor, object: "weight_map")
      }
      let shard = try scanner.string()
      if names.insert(ExactText(shard)).inserted, let fault = ShardNameFault(of: shard) {
        throw .refusedShardName(shard: shard, tensor: tensor, fault: fault)
      }
      entries.append(Entry(tensor: tensor, shard: shard))
      guard entries.count <= Self.maximumTensorCount else {
        throw .indexTooLarge(what: "tensors", count: entries.count, most: Self.maximumTensorCount)
      }
      guard names.count <= Self.maximumShardCount else {
        throw .indexTooLarge(what: "files", count: names.count, most: Self.maximumShardCount)
      }
    }
    self.entries = entries
    shards = names.sorted().map(\.text)
  }

  private mutating func readMetadata(_ scanner: inout JSONScanner) throws(Reason) {
    guard scanner.nextIs("{") else { return try scanner.skipValue(deepest: Self.deepestValue) }
    var total: Int?
    try scanner.object { (scanner, key) throws(Reason) in
      if key == "total_size" {
        total = try scanner.integerOrOther(deepest: Self.deepestValue)
      } else {
        try scanner.skipValue(deepest: Self.deepestValue)
      }
    }
    totalSize = total
  }
}

extension JSONScanner {
  /// Reads a value of any kind; `nil` if it is no plain integer.
  fileprivate mutating func integerOrOther(deepest: Int) throws(Reason) -> Int? {
    var attempt = self
    if let value = try? attempt.integer() {
      self = attempt
      return value
    }
    try skipValue(deepest: deepest)
    return nil
  }
}

extension SafetensorsError.Reason {
  /// The reason in the words of an index: what a header must hold, an index need not.
  fileprivate var ofIndex: Self {
    switch self {
    case .malformedHeader(let offset, let expected): .malformedIndex(offset: offset, expected: expected)
    case .invalidUTF8(let offset): .malformedIndex(offset: offset, expected: "well-formed UTF-8")
    default: self
    }
  }
}
