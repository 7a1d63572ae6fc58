import MomentumFiles

extension CommandLine {
  /// The command as it was given.
  static var text: String { (["momentum"] + arguments.dropFirst()).joined(separator: " ").escapingControls }
}
