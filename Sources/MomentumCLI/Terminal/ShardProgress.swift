import MomentumFiles

/// Shows how far the work on the files of a checkpoint has come, if it is long. Used by one thread at a time.
final class ShardProgress {
  private let names: [String]
  /// The bytes of all files up to each, and 0 before them.
  private let ends: [Int]
  private let show: (_ megabytes: Int, _ note: String) -> Void
  private let end: () -> Void
  private var done = 0

  convenience init(_ set: SafetensorsSet) {
    let sizes = set.files.map { $0.tensors.last?.dataRange.upperBound ?? 0 }
    let total = sizes.reduce(0, +) / Self.megabyte
    let display = ProgressDisplay(total: total, unit: "MB", isSilent: total < 1000)
    self.init(set.names, sizes, show: { display.advance($0, note: $1) }, end: display.finish)
  }

  /// - Parameters:
  ///   - show: Is told how many more megabytes are done, and in which file.
  ///   - end: Is called when all are.
  init(_ names: [String], _ sizes: [Int], show: @escaping (Int, String) -> Void, end: @escaping () -> Void) {
    (self.names, self.show, self.end) = (names, show, end)
    ends = sizes.reduce(into: [0]) { $0.append($0.last! + $1) }
  }

  /// Some tensors of a file are done.
  func advance(_ tensors: [SafetensorsTensor], ofFile number: Int) {
    advance(to: done + tensors.reduce(0) { $0 + $1.dataRange.count }, number)
  }

  /// A file is done, also what of it was only copied.
  func finished(_ number: Int) { advance(to: ends[number + 1], number) }

  /// All files are done.
  func finish() { end() }

  private static let megabyte = 1_000_000

  private func advance(to bytes: Int, _ number: Int) {
    let megabytes = bytes / Self.megabyte - done / Self.megabyte
    done = bytes
    show(megabytes, names[number].escapingControls)
  }
}
