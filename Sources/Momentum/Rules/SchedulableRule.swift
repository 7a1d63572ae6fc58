/// A rule whose learning rate and momentum can follow a schedule.
public protocol SchedulableRule: UpdateRule {
  /// lr: finite, at least 0.
  var learningRate: Double { get set }
  /// m: finite, at least 0.
  var momentum: Double { get set }
}

extension SchedulableRule {
  public var conversionRate: Double? { learningRate }
  public var reportedMomentum: Double? { momentum }

  public func scalingLearningRate(by factor: Double) -> (any UpdateRule)? {
    var rule = self
    rule.learningRate *= factor
    return rule
  }
}
