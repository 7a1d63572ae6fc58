/// The `__metadata__` of a safetensors file: texts under keys that are told apart by their bytes, as the format does.
///
/// A dictionary of Swift takes two spellings of "é" for one key and would lose one of two entries.
///
/// ```swift
/// var metadata: SafetensorsMetadata = ["step": "17"]
/// metadata["run"] = "a"
/// for (key, value) in metadata { print(key, value) }  // run, then step
/// ```
public struct SafetensorsMetadata: Hashable, Sendable {
  private var texts: [ExactText: ExactText] = [:]

  /// No entries.
  public init() {}

  /// The entries of a dictionary.
  public init(_ entries: [String: String]) {
    for (key, value) in entries { self[key] = value }
  }

  /// How many entries there are.
  public var count: Int { texts.count }

  /// Whether there are none.
  public var isEmpty: Bool { texts.isEmpty }

  /// The keys, sorted by their bytes.
  public var keys: [String] { texts.keys.sorted().map(\.text) }

  /// The text under exactly this key, byte for byte; `nil` if there is none, and to remove it.
  public subscript(key: String) -> String? {
    get { texts[ExactText(key)]?.text }
    set { texts[ExactText(key)] = newValue.map(ExactText.init) }
  }
}

extension SafetensorsMetadata: ExpressibleByDictionaryLiteral {
  /// Of two entries with one key the last one stays.
  public init(dictionaryLiteral entries: (String, String)...) {
    for (key, value) in entries { self[key] = value }
  }
}

extension SafetensorsMetadata: Sequence {
  /// The entries, sorted by the bytes of their keys.
  public func makeIterator() -> some IteratorProtocol<(key: String, value: String)> {
    texts.sorted { $0.key < $1.key }.lazy.map { (key: $0.key.text, value: $0.value.text) }.makeIterator()
  }
}
