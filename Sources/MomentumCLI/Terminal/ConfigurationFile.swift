import Foundation
import Momentum
import MomentumLAPACK

/// A JSON file with the settings of an optimizer.
enum ConfigurationFile {
  /// Reads a file.
  ///
  /// - Throws: ``DataFileError`` that says where in the file something is wrong.
  static func read(_ path: String) throws -> OptimizerConfiguration {
    if path == "-" { throw DataFileError(file: path, cause: "is no file; /dev/stdin is standard input") }
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw DataFileError(file: path, cause: error.localizedDescription)
    }
    if let refusal = numberRefusal(in: data) { throw DataFileError(file: path, cause: refusal) }
    // Only a file can name what needs them.
    LAPACK.supplyPolarFactors()
    do {
      return try JSONDecoder().decode(OptimizerConfiguration.self, from: data)
    } catch let error as DecodingError {
      throw DataFileError(file: path, cause: error.explanation)
    }
  }

  /// Where the text has a number that a `Double` does not hold, and what is wrong with it; the decoder says neither.
  private static func numberRefusal(in text: Data) -> String? {
    let numberBytes = Set("+-.0123456789Ee".utf8)
    var (line, isInString, isEscaped, number) = (1, false, false, "")
    for byte in text + [UInt8(ascii: "\n")] {
      if !isInString, numberBytes.contains(byte) {
        number.unicodeScalars.append(Unicode.Scalar(byte))
        continue
      }
      if Double(number) != nil {
        do { _ = try NumberText.double(number) } catch { return "line \(line): \(error)" }
      }
      number = ""
      if byte == UInt8(ascii: "\n") { line += 1 }
      if byte == UInt8(ascii: "\""), !isEscaped { isInString.toggle() }
      isEscaped = isInString && byte == UInt8(ascii: "\\") && !isEscaped
    }
    return nil
  }
}

extension DecodingError {
  /// Where something is wrong, and what, in one line.
  var explanation: String {
    switch self {
    case .keyNotFound(let key, let context): Self.place(context) + "key '\(key.stringValue)' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      Self.place(context) + Self.cause(context)
    @unknown default: "\(self)"
    }
  }

  /// The path as one would write it in code: `groups[1].rule: `.
  private static func place(_ context: Context) -> String {
    var place = ""
    for key in context.codingPath {
      if let index = key.intValue {
        place += "[\(index)]"
      } else {
        place += (place.isEmpty ? "" : ".") + key.stringValue
      }
    }
    return place.isEmpty ? "" : place + ": "
  }

  /// Foundation's words about text that is no JSON, which hide in the error below.
  private static func cause(_ context: Context) -> String {
    let detail = (context.underlyingError as NSError?)?.userInfo[NSDebugDescriptionErrorKey] as? String
    return [context.debugDescription, detail].compactMap { $0 }.joined(separator: " ")
  }
}
