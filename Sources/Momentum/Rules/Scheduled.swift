/// A rule whose learning rate, momentum or both follow schedules.
///
/// ```swift
/// let rule = try Scheduled(
///   SGD(learningRate: 0.1, momentum: 0.9),
///   learningRate: .cosine(initial: 0.1, steps: 10_000))
/// ```
///
/// A schedule replaces the number that the rule has.
/// ``SGD/scheduled(learningRate:momentum:dampening:weightDecay:decoupledWeightDecay:nesterov:maximize:convention:)``
/// and ``LARS/scheduled(learningRate:momentum:weightDecay:trustCoefficient:epsilon:nesterov:adapts:convention:)`` take
/// schedules alone, so that no number is written that counts for nothing.
///
/// Each step takes the values of t = ``Optimizer/stepCount``, the number of steps taken so far; skipped steps do not
/// count, and a resumed run continues where it was. Where the learning rate is part of the velocity
/// (``Convention/keras``), past gradients keep the rate of their own step; under the other conventions the rate of the
/// current step applies to them too.
///
/// While the momentum is 0 the velocity stays as it is; it is used again when the momentum is positive.
public struct Scheduled<Rule: SchedulableRule>: UpdateRule {
  /// The rule, with all settings that are not scheduled.
  public var rule: Rule
  /// If given, replaces the rule's learning rate.
  public var learningRate: Schedule?
  /// If given, replaces the rule's momentum.
  public var momentum: Schedule?

  /// Makes a rule follow schedules.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if the first step's values are not valid.
  public init(_ rule: Rule, learningRate: Schedule? = nil, momentum: Schedule? = nil) throws(MomentumError) {
    self.rule = rule
    self.learningRate = learningRate
    self.momentum = momentum
    try validate()
  }

  public var convention: Convention { rule.convention }
  public var keepsLearningRateInVelocity: Bool { rule.keepsLearningRateInVelocity }
  public var dependsOnShape: Bool { rule.dependsOnShape }
  public var correctsEveryStep: Bool { rule.correctsEveryStep }

  /// Whether the rule keeps a velocity, now or perhaps later.
  public var usesVelocity: Bool { rule.usesVelocity || momentum != nil }

  public var usesSecondMoment: Bool { rule.usesSecondMoment }

  /// Checks the values of the first step; each later step checks its own.
  public func validate() throws(MomentumError) { _ = try resolved(at: 0) }

  /// The rule with its values for one step.
  ///
  /// - Parameter step: t, the number of steps taken so far.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` that names the step, the schedule and its value.
  public func resolved(at step: Int) throws(MomentumError) -> (any UpdateRule)? {
    var rule = rule
    var scheduled: [String] = []
    if let learningRate {
      rule.learningRate = try Self.value(of: learningRate, at: step, "learningRate")
      scheduled.append("learningRate \(rule.learningRate)")
    }
    if let momentum {
      rule.momentum = try Self.value(of: momentum, at: step, "momentum")
      scheduled.append("momentum \(rule.momentum)")
    }
    do {
      try rule.validate()
    } catch {
      guard case .invalidSetting(let refused) = error, !scheduled.isEmpty else { throw error }
      throw .invalidSetting(
        InvalidSetting(
          refused.name, of: .step(step, scheduled: scheduled.joined(separator: ", ")), value: refused.value,
          expected: refused.expected))
    }
    return try rule.resolved(at: step) ?? rule
  }

  private static func value(of schedule: Schedule, at step: Int, _ name: String) throws(MomentumError) -> Double {
    let value = schedule.value(at: step)
    guard value >= 0, value.isFinite else {
      throw .invalidSetting(
        name: "scheduled \(name)", of: .step(step), value: value, expected: .finiteAtLeast(0))
    }
    return value
  }

  // Steps run the rule that `resolved(at:)` returns. The members below are those of the rule without its schedules.

  public var conversionRate: Double? { rule.conversionRate }
  public var gradientWeight: Double { rule.gradientWeight }
  public var reportedMomentum: Double? { rule.reportedMomentum }
  public func scalingLearningRate(by factor: Double) -> (any UpdateRule)? { rule.scalingLearningRate(by: factor) }
  public var units: TensorUnits? { rule.units }
  public var transform: MatrixTransform? { rule.transform }
  public func following(_ convention: Convention) -> (any UpdateRule)? { rule.following(convention) }
  public var unitDecay: Double { rule.unitDecay }

  public func unitFactor(gradientNorm: ScaledDouble, parameterNorm: ScaledDouble) -> ScaledDouble {
    rule.unitFactor(gradientNorm: gradientNorm, parameterNorm: parameterNorm)
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    rule.compile(tensor, into: &program)
  }

  public func compileCorrection(
    _ tensor: TensorState, change: ScaledDouble, scale: Double, into program: inout StepProgram
  ) -> Bool {
    rule.compileCorrection(tensor, change: change, scale: scale, into: &program)
  }
}

extension Scheduled: Codable where Rule: Codable {}

extension Scheduled: CustomStringConvertible {
  /// The rule with its first step's values, and what is scheduled.
  public var description: String {
    let names = [learningRate.map { _ in "learning rate" }, momentum.map { _ in "momentum" }].compactMap { $0 }
    let first = ((try? resolved(at: 0)) ?? nil).map { "\($0)" } ?? "\(rule)"
    return names.isEmpty ? first : "\(first), \(names.joined(separator: " and ")) scheduled"
  }
}
