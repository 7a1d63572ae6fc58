/// How far results were from the plain loop, as a share of what is allowed, and what could not be compared.
struct AccuracyRecord: Sendable {
  enum Kind: String, CaseIterable, Sendable {
    case velocity, parameter, average
    case secondMoment = "second moment"
  }

  /// Why an element was not compared.
  enum Excuse: String, CaseIterable, Sendable {
    /// Its terms reach the end of the type's range.
    case nearRange = "near the end of the range"
    /// A norm that may be 0 stands below a fraction line.
    case unbounded = "without a bound"
  }

  private(set) var compared = 0
  /// The largest of those that depend on no norm.
  private(set) var worst: [Double] = Array(repeating: 0, count: Kind.allCases.count)
  private(set) var excused: [Int] = Array(repeating: 0, count: Excuse.allCases.count)

  @inline(__always)
  mutating func add<Wide: WideNumber>(_ kind: Kind, error: Wide, allowed: Wide) {
    compared += 1
    guard error > 0 else { return }
    let share = Double(error / allowed)
    switch kind {
    case .velocity: if share > worst[0] { worst[0] = share }
    case .parameter: if share > worst[1] { worst[1] = share }
    case .average: if share > worst[2] { worst[2] = share }
    case .secondMoment: if share > worst[3] { worst[3] = share }
    }
  }

  mutating func addCompared() { compared += 1 }

  mutating func note(_ excuse: Excuse) { excused[excuse == .nearRange ? 0 : 1] += 1 }

  mutating func merge(_ other: AccuracyRecord) {
    compared += other.compared
    for i in worst.indices { worst[i] = max(worst[i], other.worst[i]) }
    for i in excused.indices { excused[i] += other.excused[i] }
  }
}
