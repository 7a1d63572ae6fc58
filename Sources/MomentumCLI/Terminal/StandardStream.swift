import ArgumentParser
import Foundation

/// The paths that mean a stream instead of a file.
enum StandardStream {
  /// Whether a path names standard output, where a file is to be written.
  static func isOutput(_ path: String) -> Bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(path)
  }

  /// Refuses a path that names standard input, unless a file is behind it: tensors are mapped, and read more than once.
  ///
  /// - Throws: ``DataFileError``.
  static func refuseInput(_ path: String?) throws {
    guard let path, ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(path) else { return }
    var status = stat()
    if path != "-", fstat(STDIN_FILENO, &status) == 0, status.st_mode & S_IFMT == S_IFREG { return }
    throw DataFileError(file: path, cause: "is standard input, which cannot be mapped; expected the path of a file")
  }

  /// Checks where files of tensors are to be written: standard output takes one, and no terminal takes any.
  ///
  /// - Parameter outputs: The paths that were given, with the names of their options.
  static func checkOutputs(_ outputs: [(option: String, path: String?)]) throws {
    let given = outputs.filter { $0.path != nil }
    guard let stream = given.first(where: { isOutput($0.path!) }) else { return }
    if let other = given.first(where: { $0.option != stream.option }) {
      throw ValidationError(
        "\(stream.option) is standard output, which takes one file; expected a path, or no \(other.option)")
    }
    if isatty(STDOUT_FILENO) == 1 {
      throw ValidationError("\(stream.option) is standard output, and that is a terminal; expected a pipe or a file")
    }
  }

  /// Refuses standard output for a file that is written beside what is printed there.
  static func refuseOutput(_ path: String?, option: String) throws {
    guard let path, isOutput(path) else { return }
    throw ValidationError("\(option) is standard output, where the results go; expected a path")
  }
}
