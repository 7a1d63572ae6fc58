extension SGD {
  /// The rule with schedules in the place of learning rate and momentum, without numbers that they would replace.
  ///
  /// ```swift
  /// let rule = try SGD.scheduled(
  ///   learningRate: .cosine(initial: 0.1, steps: 10_000), momentum: .constant(0.9), weightDecay: 1e-4)
  /// ```
  ///
  /// - Parameters:
  ///   - learningRate: lr of each step.
  ///   - momentum: m of each step; by default 0, without a velocity.
  ///   - dampening: d, in 0...1; 0 under the conventions keras and optax.
  ///   - weightDecay: The weight decay: finite, at least 0.
  ///   - decoupledWeightDecay: Whether decay bypasses the velocity; by default as the convention does.
  ///   - nesterov: Whether to use Nesterov's look-ahead.
  ///   - maximize: Whether to ascend instead of descend.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public static func scheduled(
    learningRate: Schedule, momentum: Schedule? = nil, dampening: Double = 0, weightDecay: Double = 0,
    decoupledWeightDecay: Bool? = nil, nesterov: Bool = false, maximize: Bool = false, convention: Convention = .native
  ) throws(MomentumError) -> Scheduled<SGD> {
    let first = try SGD(
      learningRate: learningRate.value(at: 0), momentum: momentum?.value(at: 0) ?? 0, dampening: dampening,
      weightDecay: weightDecay, decoupledWeightDecay: decoupledWeightDecay, nesterov: nesterov, maximize: maximize,
      convention: convention)
    return try Scheduled(first, learningRate: learningRate, momentum: momentum?.varying)
  }

  /// PyTorch's name of the learning rate, for the compiler to name this library's.
  @available(
    *, unavailable,
    renamed: "init(learningRate:momentum:dampening:weightDecay:decoupledWeightDecay:nesterov:maximize:convention:)"
  )
  public init(
    lr: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0,
    decoupledWeightDecay: Bool? = nil, nesterov: Bool = false, maximize: Bool = false, convention: Convention = .native
  ) throws(MomentumError) {
    try self.init(learningRate: lr)
  }
}

extension LARS {
  /// The rule with schedules in the place of learning rate and momentum, without numbers that they would replace.
  ///
  /// - Parameters:
  ///   - learningRate: lr of each step.
  ///   - momentum: m of each step; by default 0.9.
  ///   - weightDecay: wd, finite, at least 0.
  ///   - trustCoefficient: η, finite, at least 0.
  ///   - epsilon: ε, finite, at least 0.
  ///   - nesterov: Whether to use Nesterov's look-ahead; without momentum that is plain descent.
  ///   - adapts: Whether to use the ratio of norms.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public static func scheduled(
    learningRate: Schedule, momentum: Schedule? = nil, weightDecay: Double = 0, trustCoefficient: Double = 0.001,
    epsilon: Double = 0, nesterov: Bool = false, adapts: Bool = true, convention: Convention = .native
  ) throws(MomentumError) -> Scheduled<LARS> {
    let first = try LARS(
      learningRate: learningRate.value(at: 0), momentum: momentum?.value(at: 0) ?? 0.9, weightDecay: weightDecay,
      trustCoefficient: trustCoefficient, epsilon: epsilon, nesterov: nesterov, adapts: adapts, convention: convention)
    return try Scheduled(first, learningRate: learningRate, momentum: momentum?.varying)
  }
}

extension Schedule {
  /// The schedule, or nothing if it is one number for every step: a rule keeps such a number itself, and knows then
  /// whether it needs a velocity.
  fileprivate var varying: Schedule? { constantValue == nil ? self : nil }
}
