import Foundation

/// A file that cannot be used: which one, and why, in one line.
struct DataFileError: Error, Hashable, CustomStringConvertible, LocalizedError {
  var file: String
  var cause: String

  var description: String { "\(file): \(cause)" }
  var errorDescription: String? { description }
}
