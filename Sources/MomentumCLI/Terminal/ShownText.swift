import MomentumFiles

extension String {
  /// Text of several lines with all control characters escaped but those that end its lines.
  var escapingControlsButNewlines: String {
    split(separator: "\n", omittingEmptySubsequences: false).map { String($0).escapingControls }.joined(separator: "\n")
  }
}
