public import Momentum

/// The reason why ranks could not do something together. Unless it says otherwise, all ranks throw the same error, and
/// nothing has been written.
public enum DistributedError: Error, Hashable, Sendable {
  /// A part of the engine refused a call, on one rank at least; the error is that of the first of them.
  case refused(MomentumError)
  /// A rank threw another error, of which the others get the text.
  case failed(rank: Int, message: String)
  /// Something that must be the same on all ranks is not; `rank` is the first that differs from rank 0.
  case differs(what: String, rank: Int)
  /// A rank has not added the gradient of a micro-batch that is its own, or has added one twice or out of order.
  case microBatch(rank: Int, expected: Int?, found: Int?)
  /// A rank has not added the gradient of a tensor in a micro-batch, or has added it more than once.
  case tensor(name: String, microBatch: Int, count: Int, rank: Int)
  /// What ranks have declared of a tensor contradicts itself: see ``PlacementPlan``.
  case placement(tensor: String, rank: Int, found: String, expected: String)
  /// A function of MPI failed, on this rank. The other ranks may not know.
  case mpi(routine: String, message: String)
  /// MPI cannot be used as the program was built or started.
  case setup(String)
}

extension DistributedError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .refused(let error): error.description
    case .failed(let rank, let message): "rank \(rank): \(message)"
    case .differs(let what, let rank):
      "\(what) of rank \(rank) differ from those of rank 0; expected the same on all ranks"
    case .microBatch(let rank, let expected?, let found?):
      "rank \(rank) added the gradient of micro-batch \(found); expected that of micro-batch \(expected)"
    case .microBatch(let rank, let expected?, nil):
      "rank \(rank) added no gradient of micro-batch \(expected); expected one of each of its micro-batches"
    case .microBatch(let rank, nil, let found):
      "rank \(rank) added \(found.map { "the gradient of micro-batch \($0)" } ?? "nothing"); expected no more gradients"
    case .tensor(let name, let microBatch, let count, let rank):
      "rank \(rank) added the gradient of tensor '\(name)' in micro-batch \(microBatch) \(count) times; expected once"
    case .placement(let tensor, let rank, let found, let expected):
      "tensor '\(tensor)' is \(found) on rank \(rank); expected \(expected)"
    case .mpi(let routine, let message): "\(routine) failed: \(message)"
    case .setup(let message): message
    }
  }
}

// Errors travel as words.
extension DistributedError {
  /// The error of any kind that a rank has thrown.
  init(_ error: any Error, rank: Int) {
    switch error {
    case let error as DistributedError: self = error
    case let error as MomentumError: self = .refused(error)
    default: self = .failed(rank: rank, message: "\(error)")
    }
  }

  var words: [UInt64] {
    func word(_ number: Int?) -> UInt64 { number.map { UInt64($0) } ?? .max }
    switch self {
    case .refused(let error): return [0] + ErrorWords(error).words
    case .failed(let rank, let message): return [1, word(rank)] + ErrorWords.words(of: message)
    case .differs(let what, let rank): return [2, word(rank)] + ErrorWords.words(of: what)
    case .microBatch(let rank, let expected, let found): return [3, word(rank), word(expected), word(found)]
    case .mpi(let routine, let message): return [4, 0] + ErrorWords.words(of: "\(routine)\n\(message)")
    case .tensor(let name, let microBatch, let count, let rank):
      return [6, word(rank), UInt64(bitPattern: Int64(microBatch)), word(count)] + ErrorWords.words(of: name)
    case .placement(let tensor, let rank, let found, let expected):
      return [7, word(rank)]
        + [tensor, found, expected].flatMap { text in
          let words = ErrorWords.words(of: text)
          return [UInt64(words.count)] + words
        }
    case .setup(let message): return [5, 0] + ErrorWords.words(of: message)
    }
  }

  init?(words: [UInt64]) {
    guard words.count > 1 else { return nil }
    func number(_ word: UInt64) -> Int? { Int(exactly: word) }
    var text: String { ErrorWords.text(of: Array(words.dropFirst(2))) ?? "" }
    switch words[0] {
    case 0:
      guard let error = ErrorWords(words: Array(words.dropFirst())).error else { return nil }
      self = .refused(error)
    case 1: self = .failed(rank: number(words[1]) ?? 0, message: text)
    case 2: self = .differs(what: text, rank: number(words[1]) ?? 0)
    case 3 where words.count == 4:
      self = .microBatch(rank: number(words[1]) ?? 0, expected: number(words[2]), found: number(words[3]))
    case 4:
      let parts = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
      self = .mpi(routine: String(parts[0]), message: String(parts.last ?? ""))
    case 5: self = .setup(text)
    case 6 where words.count > 4:
      self = .tensor(
        name: ErrorWords.text(of: Array(words.dropFirst(4))) ?? "", microBatch: Int(Int64(bitPattern: words[2])),
        count: number(words[3]) ?? 0, rank: number(words[1]) ?? 0)
    case 7:
      var (texts, rest): ([String], ArraySlice<UInt64>) = ([], words.dropFirst(2))
      while let count = rest.popFirst().flatMap(number) {
        texts.append(ErrorWords.text(of: Array(rest.prefix(count))) ?? "")
        rest = rest.dropFirst(count)
      }
      guard texts.count == 3 else { return nil }
      self = .placement(tensor: texts[0], rank: number(words[1]) ?? 0, found: texts[1], expected: texts[2])
    default: return nil
    }
  }
}
