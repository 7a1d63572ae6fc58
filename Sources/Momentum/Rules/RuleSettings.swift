/// Checks and words that rules share.
///
/// Each check is of one setting: every step of a rule with a schedule asks, and an array of all would take longer than the step of
/// a small tensor.
enum RuleSettings {
  /// Throws unless a setting is in 0...1, or below 1.
  static func checkDecay(_ name: String, _ value: Double, below1: Bool = false) throws(MomentumError) {
    guard value >= 0, below1 ? value < 1 : value <= 1 else {
      throw .invalidSetting(
        name: name, value: value, expected: below1 ? .words("a number >= 0 and < 1") : .between(0, 1))
    }
  }

  /// Throws unless a setting is finite and at least 0.
  static func checkAtLeast0(_ name: String, _ value: Double) throws(MomentumError) {
    guard value >= 0, value.isFinite else {
      throw .invalidSetting(name: name, value: value, expected: .finiteAtLeast(0))
    }
  }

  /// A momentum in a description.
  static func words(ofMomentum momentum: Double) -> String {
    "momentum \(momentum)\(momentum > 1 ? " (above 1: the velocity grows geometrically)" : "")"
  }
}

extension StepProgram {
  /// Decoupled weight decay, `p ← p - factor·p`, before any other operation on the parameters.
  ///
  /// By an axpy of a copy, which loses no digits; a scal by `1 - factor` would round the decay itself to a multiple of
  /// the unit roundoff. The copy is free for other uses afterwards.
  mutating func decayParameters(by factor: Double) {
    guard factor != 0 else { return }
    append(.copy(from: .parameters, into: .copy))
    append(.axpy(factor: ScaledDouble(-factor), from: .copy, into: .parameters))
  }
}
