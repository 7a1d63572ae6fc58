/// An object that is being decoded and may have only the stated keys, so that a misspelt setting is refused instead of
/// ignored.
struct StrictObject {
  private let container: KeyedDecodingContainer<NameKey>

  /// - Parameters:
  ///   - keys: All keys that the object may have.
  ///   - formerKeys: Keys of earlier versions, which are understood but not recommended.
  /// - Throws: `DecodingError.dataCorrupted` that names every key which is not among them.
  init(_ decoder: any Decoder, keys: [String], formerKeys: [String] = []) throws {
    try self.init(decoder.container(keyedBy: NameKey.self), keys, formerKeys)
  }

  private init(
    _ container: KeyedDecodingContainer<NameKey>, _ keys: [String], _ formerKeys: [String] = []
  ) throws {
    self.container = container
    let unknown = container.allKeys.map(\.stringValue).filter { !keys.contains($0) && !formerKeys.contains($0) }
      .sorted()
    guard unknown.isEmpty else {
      let names = unknown.map { "'\($0)'" }.joined(separator: ", ")
      let expected = keys.map { "'\($0)'" }.joined(separator: ", ")
      throw refusal("unknown \(unknown.count == 1 ? "key" : "keys") \(names); expected some of \(expected)")
    }
  }

  /// The keys that the object has.
  var keys: [String] { container.allKeys.map(\.stringValue).sorted() }

  /// The value of a key that the object must have.
  func value<T: Decodable>(_ key: String, as type: T.Type = T.self) throws -> T {
    try container.decode(type, forKey: NameKey(key))
  }

  /// The value of a key, `nil` if the key is missing or null.
  func optional<T: Decodable>(_ key: String, as type: T.Type = T.self) throws -> T? {
    try container.decodeIfPresent(type, forKey: NameKey(key))
  }

  /// The object under a key that this object must have.
  func object(_ key: String, keys: [String]) throws -> StrictObject {
    try StrictObject(container.nestedContainer(keyedBy: NameKey.self, forKey: NameKey(key)), keys)
  }

  /// Runs an initialiser that checks ranges, and turns its error into one with the path of this object or of an object
  /// inside.
  func checked<R>(at path: [NameKey] = [], _ body: () throws(MomentumError) -> R) throws -> R {
    do {
      return try body()
    } catch {
      throw DecodingError.dataCorrupted(
        .init(codingPath: container.codingPath + path, debugDescription: error.description, underlyingError: error))
    }
  }

  /// An error at this object's path.
  func refusal(_ text: String) -> DecodingError {
    .dataCorrupted(.init(codingPath: container.codingPath, debugDescription: text))
  }
}
