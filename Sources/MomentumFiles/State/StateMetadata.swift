import Momentum

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The metadata of a state file: all of a state but its vectors.
struct StateMetadata {
  static let prefix = "momentum."
  static let formatKey = "momentum.stateFormat"
  private static let format = "2"
  static let partsKey = "momentum.parts"
  static let stepKey = "momentum.step"
  static let clippedKey = "momentum.lastStepClipped"
  static let lossScaleKey = "momentum.lossScale"
  static let adaptiveKey = "momentum.adaptiveClipping"
  /// Before the name of a tensor: which kind of velocity it has.
  private static let velocityPrefix = "momentum.velocity."
  /// Before the name of a tensor: how many steps its average has.
  static let averagedPrefix = "momentum.stepsAveraged."

  /// The kinds of velocity by the names in the file.
  private enum Kind: String, CaseIterable {
    case none, withLearningRate, withoutLearningRate
  }

  private static let kinds = "one of \(Kind.allCases.map(\.rawValue))"

  // MARK: - Writing

  /// The metadata of parts of an optimizer, after these have been folded.
  static func text<Scalar>(
    of optimizer: borrowing Optimizer<Scalar>, _ parts: StateFile.Parts
  ) throws -> SafetensorsMetadata {
    var text: SafetensorsMetadata = [formatKey: format, partsKey: parts.description]
    if parts.contains(.velocity) {
      text[stepKey] = String(optimizer.stepCount)
      text[clippedKey] = String(optimizer.lastStepClipped)
      if optimizer.lossScale.growth != nil { text[lossScaleKey] = try json(optimizer.lossScale) }
      if let adaptive = optimizer.adaptiveLimit { text[adaptiveKey] = try json(adaptive) }
    }
    for (index, tensor) in optimizer.layout.tensors.enumerated() {
      if parts.contains(.velocity) {
        var kind = Kind.none
        if optimizer.hasVelocity(ofTensor: index) {
          kind = optimizer.keepsLearningRateInVelocity(ofTensor: index) ? .withLearningRate : .withoutLearningRate
        }
        text[velocityPrefix + tensor.name] = kind.rawValue
      }
      if parts.contains(.average) {
        text[averagedPrefix + tensor.name] = String(optimizer.stepsAveraged(ofTensor: index))
      }
    }
    return text
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  // MARK: - Reading

  let file: SafetensorsFile
  var text: SafetensorsMetadata { file.metadata }

  init(of file: SafetensorsFile) {
    self.file = file
  }

  /// The parts that the file holds, and the state of an optimizer with these, its vectors left out.
  ///
  /// - Parameters:
  ///   - optimizer: Whose tensors the file must have.
  ///   - asked: The parts that are asked for, which tell what tensors without metadata are.
  func content<Scalar>(
    for optimizer: borrowing Optimizer<Scalar>, asked: StateFile.Parts
  ) throws(OptimizerFileError) -> (held: StateFile.Parts, OptimizerState<Scalar>) {
    if let earlier = EarlierFormat(of: self, asked: asked) { return try earlier.content(of: self, for: optimizer) }
    _ = try value(Self.formatKey, "'\(Self.format)'") { $0 == Self.format ? true : nil }
    let choices = [StateFile.Parts.all, .velocity, .average].map { "'\($0)'" }
    let held = try value(Self.partsKey, "one of \(choices.joined(separator: ", "))") { StateFile.Parts($0) }
    return (held, try state(held, optimizer.layout, known: [Self.formatKey, Self.partsKey]))
  }

  /// The state of the parts that the file holds, its vectors left out.
  ///
  /// - Parameter known: The keys that have been read already.
  func state<Scalar>(
    _ held: StateFile.Parts, _ layout: ParameterLayout, known: Set<String>
  ) throws(OptimizerFileError) -> OptimizerState<Scalar> {
    var known = known
    var state = OptimizerState<Scalar>(tensors: layout.tensors.count)
    if held.contains(.velocity) {
      try readRun(into: &state)
      known.formUnion([Self.stepKey, Self.clippedKey, Self.lossScaleKey, Self.adaptiveKey])
    }
    for (index, tensor) in layout.tensors.enumerated() {
      if held.contains(.velocity) {
        let key = Self.velocityPrefix + tensor.name
        let kind = try value(key, Self.kinds, tensor: tensor.name) { Kind(rawValue: $0) }
        state.velocities[index].isSet = kind != .none
        state.velocities[index].keepsLearningRate = kind == .withLearningRate
        known.insert(key)
      }
      if held.contains(.average) {
        let key = Self.averagedPrefix + tensor.name
        state.averages[index].count = try value(key, Self.wholeNumber, tensor: tensor.name, Self.count)
        known.insert(key)
      }
    }
    if let key = text.keys.filter({ $0.hasPrefix(Self.prefix) && !known.contains($0) }).min() {
      throw OptimizerFileError(file: file.path, reason: .unexpectedMetadata(key: key))
    }
    return state
  }

  /// Reads what goes with the velocities of all tensors.
  private func readRun<Scalar>(into state: inout OptimizerState<Scalar>) throws(OptimizerFileError) {
    state.stepCount = try value(Self.stepKey, Self.wholeNumber, Self.count)
    state.lastStepClipped = try value(Self.clippedKey, "true or false", Bool.init)
    try readAdapted(into: &state)
  }

  /// Reads what is adapted from step to step, if it is there.
  func readAdapted<Scalar>(into state: inout OptimizerState<Scalar>) throws(OptimizerFileError) {
    if let lossScale: LossScale = try decoded(Self.lossScaleKey) {
      guard lossScale.growth != nil else {
        throw invalid(Self.lossScaleKey, text[Self.lossScaleKey] ?? "", "a dynamic loss scale")
      }
      state.lossScale = lossScale
    }
    state.adaptiveLimit = try decoded(Self.adaptiveKey)
  }

  static let wholeNumber = "a whole number >= 0"

  /// The text of a number as it is written, without a sign or leading zeros.
  static func count(_ text: String) -> Int? {
    guard let count = Int(text), count >= 0, String(count) == text else { return nil }
    return count
  }

  func value<T>(
    _ key: String, _ expected: String, tensor: String? = nil, _ parse: (String) -> T?
  ) throws(OptimizerFileError) -> T {
    guard let found = text[key] else {
      throw OptimizerFileError(file: file.path, tensor: tensor, reason: .missingMetadata(key: key, expected: expected))
    }
    guard let value = parse(found) else { throw invalid(key, found, expected, tensor: tensor) }
    return value
  }

  private func decoded<T: Decodable>(_ key: String) throws(OptimizerFileError) -> T? {
    guard let found = text[key] else { return nil }
    do {
      return try JSONDecoder().decode(T.self, from: Data(found.utf8))
    } catch {
      throw invalid(key, found, "its JSON form (\(Self.cause(error)))")
    }
  }

  private static func cause(_ error: any Error) -> String {
    switch error as? DecodingError {
    case .keyNotFound(let key, _): "key '\(key.stringValue)' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      (context.codingPath.map(\.stringValue) + [context.debugDescription]).joined(separator: ": ")
    default: "unreadable"
    }
  }

  private func invalid(
    _ key: String, _ value: String, _ expected: String, tensor: String? = nil
  ) -> OptimizerFileError {
    OptimizerFileError(
      file: file.path, tensor: tensor, reason: .invalidMetadata(key: key, value: value, expected: expected))
  }
}
