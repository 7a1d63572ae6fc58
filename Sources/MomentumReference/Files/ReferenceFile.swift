public import Foundation

/// One file of reference values: where they come from, and the cases.
public struct ReferenceFile<Case: Decodable & Sendable>: Sendable {
  /// The only format version this reader knows.
  public static var format: Int { 1 }

  public var generator: String
  public var origin: String
  /// The versions of the programs that made the file.
  public var libraries: [String: String]
  public var cases: [Case]

  /// Decodes a file.
  ///
  /// - Throws: ``ReferenceError/otherFormat(file:found:expected:)`` before anything else is checked;
  ///   ``ReferenceError/unreadable(file:cause:)``.
  public init(_ data: Data, file: String) throws(ReferenceError) {
    let decoder = JSONDecoder()
    let found = try Self.decode(Version.self, data, decoder, file).format
    guard found == Self.format else { throw .otherFormat(file: file, found: found, expected: Self.format) }
    let content = try Self.decode(Content.self, data, decoder, file)
    generator = content.generator
    origin = content.origin
    libraries = content.libraries
    cases = content.cases
  }

  private struct Version: Decodable {
    var format: Int
  }

  private struct Content: Decodable {
    var generator: String
    var origin: String
    var libraries: [String: String]
    var cases: [Case]
  }

  private static func decode<T: Decodable>(
    _ type: T.Type, _ data: Data, _ decoder: JSONDecoder, _ file: String
  ) throws(ReferenceError) -> T {
    do {
      return try decoder.decode(type, from: data)
    } catch let error as DecodingError {
      throw .unreadable(file: file, cause: error.place)
    } catch {
      throw .unreadable(file: file, cause: "\(error)")
    }
  }
}

extension DecodingError {
  /// Where decoding failed and why, on one line.
  fileprivate var place: String {
    let context: Context
    switch self {
    case .typeMismatch(_, let c), .valueNotFound(_, let c), .keyNotFound(_, let c), .dataCorrupted(let c): context = c
    @unknown default: return "\(self)"
    }
    let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    return (path.isEmpty ? "" : "at \(path): ") + context.debugDescription
  }
}
