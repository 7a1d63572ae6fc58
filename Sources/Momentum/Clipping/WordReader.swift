/// Reads the words of an ``ErrorWords``.
struct WordReader {
  /// The words are not those of an error.
  private struct Unreadable: Error {}

  private var rest: ArraySlice<UInt64>

  init(_ words: [UInt64]) { rest = words[...] }

  mutating func error() throws -> MomentumError {
    guard let kind = ErrorWords.Kind(rawValue: try word()) else { throw Unreadable() }
    switch kind {
    case .invalidSetting: return .invalidSetting(try invalidSetting())
    case .countMismatch: return .countMismatch(what: try text(), count: try int(), expected: try int())
    case .layoutMismatch: return .layoutMismatch(try layoutMismatch())
    case .invalidStride: return .invalidStride(what: try text(), stride: try int())
    case .overlap: return .overlap(first: try text(), second: try text())
    case .duplicateTensor: return .duplicateTensor(name: try text())
    case .unknownTensor: return .unknownTensor(name: try text())
    case .invalidShape: return .invalidShape(tensor: try text(), shape: try list())
    case .nonFiniteGradient: return .nonFiniteGradient(tensor: try text(), index: try int(), value: try double())
    case .invalidProgram: return .invalidProgram(tensor: try text(), operation: try int(), fault: try fault())
    case .nonFiniteState:
      return .nonFiniteState(what: try text(), tensor: try text(), index: try int(), value: try double())
    case .allocationFailed: return .allocationFailed(bytes: try int())
    case .unsuitableBLAS: return .unsuitableBLAS(library: try text(), reason: try text())
    case .lapackFailure: return .lapackFailure(routine: try text(), code: try int())
    }
  }

  private mutating func word() throws -> UInt64 {
    guard let word = rest.popFirst() else { throw Unreadable() }
    return word
  }

  private mutating func int() throws -> Int { Int(Int64(bitPattern: try word())) }
  private mutating func double() throws -> Double { Double(bitPattern: try word()) }

  /// A number of items that follow, of which each takes at least an eighth of a word.
  private mutating func count() throws -> Int {
    let count = try int()
    guard count >= 0, count <= rest.count * 8 else { throw Unreadable() }
    return count
  }

  private mutating func list() throws -> [Int] { try (0..<count()).map { _ in try int() } }

  mutating func text() throws -> String {
    let count = try count()
    var bytes: [UInt8] = []
    while bytes.count < count {
      let word = try word()
      for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }

  private mutating func invalidSetting() throws -> InvalidSetting {
    let name = try text()
    var place: InvalidSetting.Place?
    switch try int() {
    case 0: place = nil
    case 1: place = .tensor(try text())
    case 2: place = .group(try text())
    case 3: place = .step(try int())
    case 4: place = .step(try int(), scheduled: try text())
    default: throw Unreadable()
    }
    let value: InvalidSetting.Value
    switch try int() {
    case 0: value = .number(try double())
    case 1: value = .count(try int())
    case 2: value = .words(try text())
    default: throw Unreadable()
    }
    return InvalidSetting(name, of: place, value: value, expected: try expectation())
  }

  private mutating func expectation() throws -> InvalidSetting.Expectation {
    switch try int() {
    case 0: .atLeast(try double())
    case 1: .finiteAtLeast(try double())
    case 2: .positive
    case 3: .finiteAbove(try double())
    case 4: .between(try double(), try double())
    case 5: .countAtLeast(try int())
    case 6: .words(try text())
    default: throw Unreadable()
    }
  }

  private mutating func layoutMismatch() throws -> LayoutMismatch {
    LayoutMismatch(what: try text(), position: try int(), found: try tensor(), expected: try tensor())
  }

  private mutating func tensor() throws -> LayoutMismatch.Tensor? {
    try int() == 0 ? nil : LayoutMismatch.Tensor(name: try text(), shape: try list())
  }

  private mutating func fault() throws -> ProgramFault {
    switch try int() {
    case 0: .writesGradient
    case 1: .needsVelocity
    case 2: .touchesAverage
    case 3: .scalesUnits
    case 4: .invalidBounds(lower: try double(), upper: try double())
    case 5: .invalidScale(try double())
    case 6: .tooLong(most: try int())
    case 7: .needsSecondMoment
    case 8: .needsTransform
    case 9: .transformsTwice
    case 10: .readsAcrossTransform
    case 11: .leavesOutPreparation
    default: throw Unreadable()
    }
  }
}
