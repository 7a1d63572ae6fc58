import Momentum

/// The formats before 3, which are only read. Their vectors are folded: every scale is 1.
enum EarlierFormat {
  /// As format 3, but for each tensor NAME, instead of its lists: `momentum.velocity.NAME`, which is `none`,
  /// `withLearningRate` or `withoutLearningRate`, and `momentum.stepsAveraged.NAME`, 0 without an average.
  case named
  /// Of version 0.1, as the others below. As format 2 with both parts, but `momentum.stateFormat` is `1` and there is no `momentum.parts`.
  case state
  /// Tensors of the parameters' names with any of these metadata, or none: `momentum.format`, which is `1`;
  /// `momentum.step`, `momentum.lastStepClipped`, `momentum.lossScale` and `momentum.adaptiveClipping` as in format 3;
  /// `momentum.convention`, which says of what form the velocities are, and `momentum.keepsLearningRate.NAME` where a
  /// tensor's is of the other.
  case velocity
  /// Tensors of the parameters' names, and for each `momentum.stepsAveraged.NAME`.
  case average

  private static let namedFormat = "2"
  private static let format = "1"
  /// Before the name of a tensor: which kind of velocity it has.
  private static let velocityPrefix = "momentum.velocity."
  /// Before the name of a tensor: how many steps its average has.
  private static let averagedPrefix = "momentum.stepsAveraged."
  static let velocityFormatKey = "momentum.format"
  private static let conventionKey = "momentum.convention"
  /// Before the name of a tensor whose rule keeps the learning rate elsewhere than the convention has it.
  private static let learningRatePrefix = "momentum.keepsLearningRate."

  /// The format of a file; `nil` if it is of none of these.
  ///
  /// - Parameter asked: The parts that are asked for. A file of tensors alone is what it is said to be, if that is one
  ///   part.
  init?(of metadata: StateMetadata, asked: StateFile.Parts) {
    let text = metadata.text
    let keys = text.keys.filter { $0.hasPrefix(StateMetadata.prefix) }
    if let stateFormat = text[StateMetadata.formatKey] {
      switch stateFormat {
      case Self.namedFormat: self = .named
      case Self.format: self = .state
      default: return nil
      }
    } else if text[Self.velocityFormatKey] != nil {
      self = .velocity
    } else if !keys.isEmpty, keys.allSatisfy({ $0.hasPrefix(Self.averagedPrefix) }) {
      self = .average
    } else {
      guard asked != .all else { return nil }
      self = asked == .velocity ? .velocity : .average
    }
  }

  /// The parts that the file holds, and the state of an optimizer with these, its vectors left out.
  func content<Scalar>(
    of metadata: StateMetadata, for optimizer: borrowing Optimizer<Scalar>, _ layout: ParameterLayout
  ) throws(OptimizerFileError) -> (held: StateFile.Parts, OptimizerState<Scalar>) {
    switch self {
    case .named:
      let held = try metadata.parts()
      return (held, try named(metadata, held, layout, known: [StateMetadata.formatKey, StateMetadata.partsKey]))
    case .state:
      return (.all, try named(metadata, .all, layout, known: [StateMetadata.formatKey]))
    case .velocity: return (.velocity, try velocity(metadata, optimizer, layout))
    case .average: return (.average, try average(metadata, layout))
    }
  }

  /// The tensors that a file of one of these formats names in its metadata; some may have no vector.
  static func names(in text: SafetensorsMetadata) -> Set<ExactText> {
    var names: Set<ExactText> = []
    for key in text.keys {
      for prefix in [velocityPrefix, averagedPrefix] where key.utf8.starts(with: prefix.utf8) {
        names.insert(ExactText(String(decoding: key.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)))
      }
    }
    return names
  }

  /// The kinds of velocity by the names in the file.
  private enum Kind: String, CaseIterable {
    case none, withLearningRate, withoutLearningRate
  }

  private static let kinds = "one of \(Kind.allCases.map(\.rawValue))"

  /// - Parameter known: The keys that have been read already.
  private func named<Scalar>(
    _ metadata: StateMetadata, _ held: StateFile.Parts, _ layout: ParameterLayout, known: Set<String>
  ) throws(OptimizerFileError) -> OptimizerState<Scalar> {
    var known = known
    var state = OptimizerState<Scalar>(layout)
    if held.contains(.velocity) {
      try metadata.readRun(into: &state)
      known.formUnion(StateMetadata.runKeys)
    }
    for (index, tensor) in layout.tensors.enumerated() {
      if held.contains(.velocity) {
        let key = Self.velocityPrefix + tensor.name
        let kind = try metadata.value(key, Self.kinds, tensor: tensor.name) { Kind(rawValue: $0) }
        state.velocities[index].isSet = kind != .none
        state.velocities[index].keepsLearningRate = kind == .withLearningRate
        known.insert(key)
      }
      if held.contains(.average) {
        let key = Self.averagedPrefix + tensor.name
        state.averages[index].count = try metadata.value(
          key, StateMetadata.wholeNumber, tensor: tensor.name, StateMetadata.count)
        known.insert(key)
      }
    }
    try metadata.checkKeys(known)
    return state
  }

  private func velocity<Scalar>(
    _ metadata: StateMetadata, _ optimizer: borrowing Optimizer<Scalar>, _ layout: ParameterLayout
  ) throws(OptimizerFileError) -> OptimizerState<Scalar> {
    let text = metadata.text
    var state = OptimizerState<Scalar>(layout)
    if text[Self.velocityFormatKey] != nil {
      _ = try metadata.value(Self.velocityFormatKey, "'\(Self.format)'") { $0 == Self.format ? true : nil }
    }
    // Where the file does not say how far the run had come, it stays as it is.
    (state.stepCount, state.lastStepClipped) = (optimizer.stepCount, optimizer.lastStepClipped)
    if text[StateMetadata.stepKey] != nil {
      state.stepCount = try metadata.value(StateMetadata.stepKey, StateMetadata.wholeNumber, StateMetadata.count)
      state.lastStepClipped = false
      if text[StateMetadata.clippedKey] != nil {
        state.lastStepClipped = try metadata.value(StateMetadata.clippedKey, "true or false", Bool.init)
      }
    }
    try metadata.readAdapted(into: &state)
    var convention: Convention?
    if text[Self.conventionKey] != nil {
      let names = Convention.allCases.map(\.rawValue)
      convention = try metadata.value(Self.conventionKey, "one of \(names)") { Convention(rawValue: $0) }
    }
    let forms = try forms(of: optimizer, metadata.file.path)
    for (index, tensor) in layout.tensors.enumerated() {
      guard metadata.file.tensor(named: tensor.name) != nil else { continue }
      state.velocities[index].isSet = true
      // A velocity that does not say what it is has the form that the rule keeps; the rule of a tensor that the optimizer does
      // not have is taken for that of those that it has.
      let form = optimizer.layout.index(of: tensor.name).map { forms[$0] } ?? forms.first
      state.velocities[index].keepsLearningRate = form?.keepsLearningRate ?? false
      if let convention {
        let own = text[Self.learningRatePrefix + tensor.name].map { $0 == "true" }
        state.velocities[index].keepsLearningRate = own ?? convention.keepsLearningRateInVelocity
      }
    }
    return state
  }

  private func forms<Scalar>(
    of optimizer: borrowing Optimizer<Scalar>, _ path: String
  ) throws(OptimizerFileError) -> [VelocityForm] {
    do {
      return try optimizer.velocityForms()
    } catch {
      throw OptimizerFileError(file: path, reason: .refused(error))
    }
  }

  private func average<Scalar>(
    _ metadata: StateMetadata, _ layout: ParameterLayout
  ) throws(OptimizerFileError) -> OptimizerState<Scalar> {
    var state = OptimizerState<Scalar>(layout)
    for (index, tensor) in layout.tensors.enumerated() where metadata.file.tensor(named: tensor.name) != nil {
      let key = Self.averagedPrefix + tensor.name
      state.averages[index].count = try metadata.value(key, "a whole number in 1...2^53", tensor: tensor.name) {
        StateMetadata.count($0).flatMap { $0 >= 1 ? $0 : nil }
      }
    }
    return state
  }
}
