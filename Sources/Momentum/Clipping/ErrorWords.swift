/// An error as words, by which a rank tells the others what has failed.
package struct ErrorWords {
  package private(set) var words: [UInt64]

  /// Words that another rank has sent.
  package init(words: [UInt64]) { self.words = words }

  package init(_ error: MomentumError) {
    words = []
    switch error {
    case .invalidSetting(let refused):
      begin(.invalidSetting)
      put(refused)
    case .countMismatch(let what, let count, let expected):
      begin(.countMismatch)
      put(what)
      put(count)
      put(expected)
    case .layoutMismatch(let mismatch):
      begin(.layoutMismatch)
      put(mismatch)
    case .invalidStride(let what, let stride):
      begin(.invalidStride)
      put(what)
      put(stride)
    case .overlap(let first, let second):
      begin(.overlap)
      put(first)
      put(second)
    case .duplicateTensor(let name):
      begin(.duplicateTensor)
      put(name)
    case .unknownTensor(let name):
      begin(.unknownTensor)
      put(name)
    case .invalidShape(let tensor, let shape):
      begin(.invalidShape)
      put(tensor)
      put(shape)
    case .nonFiniteGradient(let tensor, let index, let value):
      begin(.nonFiniteGradient)
      put(tensor)
      put(index)
      put(value)
    case .invalidProgram(let tensor, let operation, let fault):
      begin(.invalidProgram)
      put(tensor)
      put(operation)
      put(fault)
    case .nonFiniteState(let what, let tensor, let index, let value):
      begin(.nonFiniteState)
      put(what)
      put(tensor)
      put(index)
      put(value)
    case .allocationFailed(let bytes):
      begin(.allocationFailed)
      put(bytes)
    case .unsuitableBLAS(let library, let reason):
      begin(.unsuitableBLAS)
      put(library)
      put(reason)
    case .lapackFailure(let routine, let code):
      begin(.lapackFailure)
      put(routine)
      put(code)
    }
  }

  /// The error, or `nil` if the words are not those of one.
  package var error: MomentumError? {
    var reader = WordReader(words)
    return try? reader.error()
  }

  /// A text alone as words.
  package static func words(of text: String) -> [UInt64] {
    var content = ErrorWords(words: [])
    content.put(text)
    return content.words
  }

  /// The text that words begin with; `nil` if they begin with none.
  package static func text(of words: [UInt64]) -> String? {
    var reader = WordReader(words)
    return try? reader.text()
  }

  /// The kinds of errors, by which the words begin.
  enum Kind: UInt64 {
    case invalidSetting, countMismatch, layoutMismatch, invalidStride, overlap, duplicateTensor, unknownTensor
    case invalidShape, nonFiniteGradient, invalidProgram, nonFiniteState, allocationFailed, unsuitableBLAS
    case lapackFailure
  }

  private mutating func begin(_ kind: Kind) { words.append(kind.rawValue) }
  private mutating func put(_ number: Int) { words.append(UInt64(bitPattern: Int64(number))) }
  private mutating func put(_ number: Double) { words.append(number.bitPattern) }

  private mutating func put(_ list: [Int]) {
    put(list.count)
    for number in list { put(number) }
  }

  /// Eight bytes a word, the first one lowest.
  private mutating func put(_ text: String) {
    put(text.utf8.count)
    var (word, shift) = (UInt64(0), UInt64(0))
    for byte in text.utf8 {
      word |= UInt64(byte) << shift
      shift += 8
      guard shift == 64 else { continue }
      words.append(word)
      (word, shift) = (0, 0)
    }
    if shift > 0 { words.append(word) }
  }

  private mutating func put(_ refused: InvalidSetting) {
    put(refused.name)
    switch refused.place {
    case nil: put(0)
    case .tensor(let name):
      put(1)
      put(name)
    case .group(let name):
      put(2)
      put(name)
    case .step(let step, let scheduled):
      put(scheduled == nil ? 3 : 4)
      put(step)
      if let scheduled { put(scheduled) }
    }
    switch refused.value {
    case .number(let number):
      put(0)
      put(number)
    case .count(let count):
      put(1)
      put(count)
    case .words(let words):
      put(2)
      put(words)
    }
    put(refused.expected)
  }

  private mutating func put(_ expected: InvalidSetting.Expectation) {
    switch expected {
    case .atLeast(let bound):
      put(0)
      put(bound)
    case .finiteAtLeast(let bound):
      put(1)
      put(bound)
    case .positive: put(2)
    case .finiteAbove(let bound):
      put(3)
      put(bound)
    case .between(let lower, let upper):
      put(4)
      put(lower)
      put(upper)
    case .countAtLeast(let bound):
      put(5)
      put(bound)
    case .words(let words):
      put(6)
      put(words)
    }
  }

  private mutating func put(_ mismatch: LayoutMismatch) {
    put(mismatch.what)
    put(mismatch.position)
    for tensor in [mismatch.found, mismatch.expected] {
      put(tensor == nil ? 0 : 1)
      guard let tensor else { continue }
      put(tensor.name)
      put(tensor.shape)
    }
  }

  private mutating func put(_ fault: ProgramFault) {
    switch fault {
    case .writesGradient: put(0)
    case .needsVelocity: put(1)
    case .touchesAverage: put(2)
    case .scalesUnits: put(3)
    case .invalidBounds(let lower, let upper):
      put(4)
      put(lower)
      put(upper)
    case .invalidScale(let scale):
      put(5)
      put(scale)
    case .tooLong(let most):
      put(6)
      put(most)
    case .needsSecondMoment: put(7)
    case .needsTransform: put(8)
    case .transformsTwice: put(9)
    case .readsAcrossTransform: put(10)
    case .leavesOutPreparation: put(11)
    }
  }
}
