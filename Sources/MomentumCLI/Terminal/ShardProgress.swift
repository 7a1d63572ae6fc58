import MomentumFiles

/// Shows how far the work on the files of a checkpoint has come, if it is long. Used by one thread at a time.
final class ShardProgress: @unchecked Sendable {
  private let names: [String]
  /// The bytes of all files up to each, and 0 before them.
  private let ends: [Int]
  private let show: (_ megabytes: Int, _ note: String) -> Void
  private let end: () -> Void
  private var done = 0

  /// - Parameter verb: What is being done to the files, if that is not plain.
  convenience init(_ set: SafetensorsSet, _ verb: String? = nil) {
    let sizes = set.files.map { $0.tensors.last?.dataRange.upperBound ?? 0 }
    let total = sizes.reduce(0, +) / Self.megabyte
    let display = ProgressDisplay(total: total, unit: "MB", isSilent: total < 1000)
    let names = set.names.map { [verb, $0].compactMap(\.self).joined(separator: " ") }
    self.init(names, sizes, show: { display.advance($0, note: $1) }, end: display.finish)
  }

  /// Shows nothing.
  static func silent(_ set: SafetensorsSet) -> ShardProgress {
    ShardProgress(set.names, set.names.map { _ in 0 }, show: { _, _ in }, end: {})
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
    advance(tensors.reduce(0) { $0 + $1.dataRange.count }, ofFile: number)
  }

  /// Some more bytes of a file are done.
  func advance(_ bytes: Int, ofFile number: Int) { advance(to: done + bytes, number) }

  /// A file is done, also what of it was only copied.
  func finished(_ number: Int) { advance(to: ends[number + 1], number) }

  /// All files are done.
  func finish() {
    if let last = names.indices.last { finished(last) }
    end()
  }

  /// What is to be told how many more elements of some tensors are done, which takes them in their order.
  func elements(of tensors: CheckpointTensors) -> (Int) -> Void {
    elements(tensors.shards().map { $0.tensors.map(\.tensor) })
  }

  /// - Parameter tensors: Those of each file.
  func elements(_ tensors: [[SafetensorsTensor]]) -> (Int) -> Void {
    var rest = tensors.enumerated().flatMap { number, tensors in
      tensors.map { (number, count: $0.count, size: $0.count == 0 ? 0 : $0.dataRange.count / $0.count) }
    }[...]
    return { [self] elements in
      var elements = elements
      while elements > 0, let (number, count, size) = rest.first {
        let own = min(elements, count)
        advance(own * size, ofFile: number)
        elements -= own
        rest[rest.startIndex].count -= own
        if own == count { rest.removeFirst() }
      }
    }
  }

  private static let megabyte = 1_000_000

  /// No file has more than its bytes, and what has been done is not undone: a file may be finished before all of its tensors have
  /// been told, and more may be written than it had.
  private func advance(to bytes: Int, _ number: Int) {
    let bytes = min(bytes, ends[number + 1])
    guard bytes > done else { return }
    let megabytes = bytes / Self.megabyte - done / Self.megabyte
    done = bytes
    show(megabytes, names[number].escapingControls)
  }
}
