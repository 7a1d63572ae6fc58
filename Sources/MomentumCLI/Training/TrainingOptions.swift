import Momentum

/// How a run clips.
enum ClippingChoice: String, CaseIterable, Codable, Sendable {
  case none, value, norm, global
}

/// The rule of a run: SGD in three ways of using its velocity, or another.
enum RuleChoice: String, CaseIterable, Codable, Hashable, Sendable {
  case plain, momentum, nesterov
  case lion, signum, normalized, adamw
  /// Muon for the matrices of the recurrent layer, AdamW for the other tensors.
  case muon

  /// Those of SGD, which are compared unless others are asked for.
  static let ofSGD: [RuleChoice] = [.plain, .momentum, .nesterov]
}

/// The settings to compare, and how. All of it is kept in the checkpoint: with these options and a seed a run is
/// determined.
struct TrainingOptions: Hashable, Codable, Sendable {
  var seeds = 3
  var epochs = 20
  var batch = 32
  var hidden = 64
  var pixelsPerStep = 2
  /// The recurrent weights start as a rotation times this.
  var gain = 1.0
  var momentum = 0.9
  var learningRate = 0.05
  /// Learning rates that momentum 0 is tried with before the comparison.
  var plainLearningRates = [0.2, 0.3, 0.5, 0.7]
  var clipValue = 0.007
  var clipNorm = 0.25
  var clipGlobalNorm = 0.5
  /// The accuracies whose epochs are counted.
  var accuracies = [0.9, 0.94]
  var clippings = ClippingChoice.allCases
  var momenta = RuleChoice.ofSGD
  /// The learning rates of the rules whose steps do not depend on the size of a gradient; `nil` for ``signRate``,
  /// ``normalizedRate``, ``adamWRate`` and ``muonRate``.
  var signLearningRate, normalizedLearningRate, adamWLearningRate, muonLearningRate: Double?
  /// How gradients are kept in half precision; `nil` if they stay `Float`s.
  var storedGradients: StoredGradients?
  /// The number of parts of a batch that several ranks share; `nil` in one process.
  var microBatches: Int?

  /// The learning rates if none are given: of Lion and Signum, of normalised momentum, of AdamW, of Muon.
  static let (signRate, normalizedRate, adamWRate, muonRate) = (0.001, 0.01, 0.005, 0.01)

  /// The learning rate of a rule; that of momentum 0 is searched for.
  func learningRate(of rule: RuleChoice) -> Double {
    switch rule {
    case .plain, .momentum, .nesterov: learningRate
    case .lion, .signum: signLearningRate ?? Self.signRate
    case .normalized: normalizedLearningRate ?? Self.normalizedRate
    case .adamw: adamWLearningRate ?? Self.adamWRate
    case .muon: muonLearningRate ?? Self.muonRate
    }
  }

  var shape: NetworkShape {
    NetworkShape(
      inputs: pixelsPerStep, hidden: hidden, outputs: DigitsDataset.classCount, steps: 64 / pixelsPerStep)
  }

  /// The clipping that stands for a choice. All of them measure the norm, also where nothing depends on it.
  func clipping(_ choice: ClippingChoice) throws(MomentumError) -> GradientClipping {
    switch choice {
    case .none: .measureOnly
    case .value: try .byValue(clipValue)
    case .norm: try .byNorm(clipNorm)
    case .global: try .byGlobalNorm(clipGlobalNorm)
    }
  }
}

/// One row of the comparison: how the gradient is clipped and what rule uses it.
struct TrainingSetting: Hashable, Codable, Sendable {
  var clipping: ClippingChoice
  var momentum: RuleChoice
  var learningRate: Double

  /// A name for files and tables, for example `global-nesterov-0.02`.
  var name: String { "\(clipping.rawValue)-\(momentum.rawValue)-\(learningRate)" }

  func rule(_ options: TrainingOptions) throws(MomentumError) -> any UpdateRule {
    switch momentum {
    case .plain: try SGD(learningRate: learningRate)
    case .momentum: try SGD(learningRate: learningRate, momentum: options.momentum)
    case .nesterov: try SGD(learningRate: learningRate, momentum: options.momentum, nesterov: true)
    case .lion: try Lion(learningRate: learningRate)
    case .signum: try Signum(learningRate: learningRate, momentum: options.momentum)
    case .normalized: try NormalizedMomentum(learningRate: learningRate, momentum: options.momentum)
    case .adamw: try AdamW(learningRate: learningRate, weightDecay: 0)
    case .muon: try AdamW(learningRate: options.learningRate(of: .adamw), weightDecay: 0)
    }
  }

  /// The tensors with another rule.
  func groups(_ options: TrainingOptions) throws(MomentumError) -> [ParameterGroup] {
    guard momentum == .muon else { return [] }
    let rule = try Muon(learningRate: learningRate, momentum: options.momentum)
    return [ParameterGroup("matrices", ["input.weight", "recurrent.weight"], rule: rule)]
  }
}

/// One setting with one seed.
struct TrainingRunKey: Hashable, Codable, Sendable {
  var setting: TrainingSetting
  var seed: Int

  var name: String { "\(setting.name)-seed\(seed)" }
}

extension TrainingOptions {
  /// The reason why these options are unusable, in words; `nil` if there is none.
  var problem: String? {
    let counts = [("seeds", seeds), ("epochs", epochs), ("batch", batch), ("hidden", hidden)]
    if let bad = counts.first(where: { $0.1 < 1 || $0.1 > 100_000 }) {
      return "\(bad.0) is \(bad.1); expected 1 to 100000"
    }
    if let microBatches, !(1...batch).contains(microBatches) {
      return "micro-batches is \(microBatches); expected 1 to the \(batch) images of a batch"
    }
    guard [1, 2].contains(pixelsPerStep) else {
      return "pixels per step is \(pixelsPerStep); expected 1 (64 steps) or 2 (32 steps)"
    }
    let positive =
      [
        ("gain", gain), ("learning rate", learningRate), ("clip value", clipValue), ("clip norm", clipNorm),
        ("clip global norm", clipGlobalNorm), ("sign learning rate", learningRate(of: .lion)),
        ("normalized learning rate", learningRate(of: .normalized)),
        ("AdamW learning rate", learningRate(of: .adamw)), ("Muon learning rate", learningRate(of: .muon)),
      ] + plainLearningRates.map { ("plain learning rate", $0) }
    if let bad = positive.first(where: { !($0.1 > 0 && $0.1.isFinite) }) {
      return "\(bad.0) is \(bad.1); expected a finite number above 0"
    }
    guard momentum > 0, momentum < 1 else { return "momentum is \(momentum); expected a number between 0 and 1" }
    guard accuracies.count == 2, accuracies.allSatisfy({ $0 > 0 && $0 <= 1 }) else {
      return "accuracies are \(accuracies); expected two of them above 0 and at most 1"
    }
    guard !clippings.isEmpty, !momenta.isEmpty, !plainLearningRates.isEmpty else {
      return "the list of clippings, rules or plain learning rates is empty"
    }
    for list in [clippings.map(\.rawValue), momenta.map(\.rawValue), plainLearningRates.map(\.description)]
    where Set(list).count < list.count {
      return "\(list.joined(separator: ",")) names something twice"
    }
    if let type = storedGradients?.type, !type.exists {
      return "the gradient type is \(type.rawValue), which Swift does not have on this kind of machine"
    }
    return nil
  }
}
