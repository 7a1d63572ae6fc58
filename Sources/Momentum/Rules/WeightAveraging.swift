/// An average of the parameters over the steps, kept beside them. It generalises better than the last parameters, and
/// costs two elements moved for each parameter.
///
///     a ← β·a + (1 - β)·p         exponential
///     a ← a + (p - a) / (n + 1)   mean, after n steps averaged
///
/// The first step that averages a tensor sets a = p. A step that is skipped, or a tensor without a gradient, leaves its
/// average alone. (Polyak and Juditsky 1992; Izmailov et al., arXiv:1803.05407. Keras: `use_ema`; PyTorch:
/// `torch.optim.swa_utils.AveragedModel`.)
///
/// As with the velocity, the average is stored as a scale times a vector, `a = s·b`, which makes averaging one axpy.
public struct WeightAveraging: Sendable, Hashable {
  /// The weights of past steps.
  public enum Kind: Sendable, Hashable {
    /// Exponentially decaying, with β in 0...1.
    case exponential(decay: Double)
    /// Equal weights.
    case mean
  }

  /// The weights of past steps.
  public var kind: Kind
  /// The number of steps of the optimizer after which, again and again, the parameters are set to their average; `nil`:
  /// never.
  public var overwriteEvery: Int?

  /// Sets the kind.
  ///
  /// - Parameters:
  ///   - kind: The weights of past steps.
  ///   - overwriteEvery: The number of steps after which, again and again, the parameters are set to their average.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a decay outside 0...1 or an interval below 1.
  public init(_ kind: Kind, overwriteEvery: Int? = nil) throws(MomentumError) {
    self.kind = kind
    self.overwriteEvery = overwriteEvery
    try validate()
  }

  /// An exponential moving average with decay β.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a decay outside 0...1 or an interval below 1.
  public static func exponential(
    decay: Double, overwriteEvery: Int? = nil
  ) throws(MomentumError) -> WeightAveraging {
    try WeightAveraging(.exponential(decay: decay), overwriteEvery: overwriteEvery)
  }

  func validate() throws(MomentumError) {
    if case .exponential(let decay) = kind, !(decay >= 0 && decay <= 1) {
      throw .invalidSetting(name: "decay of the average", value: decay, expected: .between(0, 1))
    }
    if let overwriteEvery, overwriteEvery < 1 {
      throw .invalidSetting(name: "overwriteEvery", value: overwriteEvery, expected: .countAtLeast(1))
    }
  }
}

extension WeightAveraging {
  /// Appends the operations that add the parameters after the step to the average.
  ///
  /// - Parameters:
  ///   - state: The average before the step.
  ///   - step: The number of this step, 1 for the first.
  /// - Returns: The average's scale after the step.
  func compile(_ state: AverageState, step: Int, into program: inout StepProgram) -> Double {
    var scale = state.scale
    let (keep, enter) = weights(after: state.count)
    if keep == 0 {
      program.append(.copy(from: .parameters, into: .average))
      scale = 1
    } else if enter != 0 {
      scale = program.decay(.average, scale: scale, by: keep)
      program.append(.axpy(factor: ScaledDouble(enter) / ScaledDouble(scale), from: .parameters, into: .average))
    }
    guard let overwriteEvery, step % overwriteEvery == 0 else { return scale }
    if scale != 1 { program.append(.scal(factor: ScaledDouble(scale), .average)) }
    program.append(.copy(from: .average, into: .parameters))
    return 1
  }

  /// The weights of the average so far and of the new parameters.
  private func weights(after count: Int) -> (keep: Double, enter: Double) {
    if count == 0 { return (0, 1) }
    switch kind {
    case .exponential(let decay): return (decay, 1 - decay)
    case .mean: return (Double(count) / Double(count + 1), 1 / Double(count + 1))
    }
  }
}

extension WeightAveraging: Codable {
  /// Decodes `kind` (`exponential` with `decay`, or `mean`) and `overwriteEvery`.
  ///
  /// - Throws: `DecodingError`, with the path of what is wrong.
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: ["kind", "decay", "overwriteEvery"])
    let (name, decay): (String, Double?) = try (object.value("kind"), object.optional("decay"))
    let overwriteEvery: Int? = try object.optional("overwriteEvery")
    let kind: Kind
    switch (name, decay) {
    case ("exponential", let decay?): kind = .exponential(decay: decay)
    case ("mean", nil): kind = .mean
    case ("exponential", nil): throw object.refusal("an exponential average without 'decay'")
    case ("mean", _?): throw object.refusal("a mean has no 'decay'")
    default: throw object.refusal("kind is '\(name)'; expected 'exponential' or 'mean'")
    }
    self = try object.checked { () throws(MomentumError) in
      try WeightAveraging(kind, overwriteEvery: overwriteEvery)
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    switch kind {
    case .exponential(let decay):
      try container.encode("exponential", forKey: NameKey("kind"))
      try container.encode(decay, forKey: NameKey("decay"))
    case .mean: try container.encode("mean", forKey: NameKey("kind"))
    }
    try container.encodeIfPresent(overwriteEvery, forKey: NameKey("overwriteEvery"))
  }
}
