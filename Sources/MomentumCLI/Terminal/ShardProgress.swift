import MomentumFiles

/// Shows how far the work on the files of a checkpoint has come, if it is long.
struct ShardProgress {
  private let set: SafetensorsSet
  private let display: ProgressDisplay

  init(_ set: SafetensorsSet) {
    self.set = set
    let total = set.files.reduce(0) { $0 + $1.megabytes }
    display = ProgressDisplay(total: total, unit: "MB", isSilent: total < 1000 || set.files.count < 2)
  }

  /// A file is done.
  func finished(_ number: Int) {
    display.advance(set.files[number].megabytes, note: set.names[number].escapingControls)
  }

  /// All files are done.
  func finish() { display.finish() }
}

extension SafetensorsFile {
  fileprivate var megabytes: Int { (tensors.last?.dataRange.upperBound ?? 0) / 1_000_000 }
}
