import ArgumentParser
import Foundation

/// Which tensors of a checkpoint a command takes.
struct NamePatterns: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Only tensors whose name matches, with * for any characters, ? for one, [abc] for one of some; may be repeated.",
      valueName: "pattern"))
  var only: [String] = []

  @Option(help: ArgumentHelp("No tensors whose name matches; may be repeated.", valueName: "pattern"))
  var skip: [String] = []

  /// Whether a tensor of this name is taken.
  func takes(_ name: String) -> Bool {
    (only.isEmpty || only.contains { Self.matches(name, $0) }) && !skip.contains { Self.matches(name, $0) }
  }

  /// The first pattern that matches none of the names: it is probably misspelled.
  func unused(among names: [String]) -> String? {
    (only + skip).first { pattern in !names.contains { Self.matches($0, pattern) } }
  }

  private static func matches(_ name: String, _ pattern: String) -> Bool { fnmatch(pattern, name, 0) == 0 }
}
