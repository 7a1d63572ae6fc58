import Momentum

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What a state file says in its metadata: all of a state but its vectors.
struct StateMetadata {
  private static let prefix = "momentum."
  private static let formatKey = "momentum.stateFormat"
  private static let format = "1"
  private static let stepKey = "momentum.step"
  private static let clippedKey = "momentum.lastStepClipped"
  private static let lossScaleKey = "momentum.lossScale"
  private static let adaptiveKey = "momentum.adaptiveClipping"
  /// Before the name of a tensor: which kind of velocity it has.
  private static let velocityPrefix = "momentum.velocity."
  /// Before the name of a tensor: how many steps its average has.
  private static let averagedPrefix = "momentum.stepsAveraged."

  /// The kinds of velocity by the names in the file.
  private enum Kind: String, CaseIterable {
    case none, withLearningRate, withoutLearningRate
  }

  // MARK: - Writing

  /// The metadata of an optimizer whose velocities and averages have been folded.
  static func text<Scalar>(of optimizer: borrowing Optimizer<Scalar>) throws -> [String: String] {
    var text = [
      formatKey: format, stepKey: String(optimizer.stepCount), clippedKey: String(optimizer.lastStepClipped),
    ]
    if optimizer.lossScale.growth != nil { text[lossScaleKey] = try json(optimizer.lossScale) }
    if let adaptive = optimizer.adaptiveLimit { text[adaptiveKey] = try json(adaptive) }
    for (index, tensor) in optimizer.layout.tensors.enumerated() {
      var kind = Kind.none
      if optimizer.hasVelocity(ofTensor: index) {
        kind = optimizer.keepsLearningRateInVelocity(ofTensor: index) ? .withLearningRate : .withoutLearningRate
      }
      text[velocityPrefix + tensor.name] = kind.rawValue
      text[averagedPrefix + tensor.name] = String(optimizer.stepsAveraged(ofTensor: index))
    }
    return text
  }

  private static func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  // MARK: - Reading

  private let file: String
  private let text: [String: String]

  init(of file: SafetensorsFile) {
    self.file = file.path
    text = file.metadata
  }

  /// The state of an optimizer with a layout, its vectors left out.
  func state<Scalar>(_ layout: ParameterLayout) throws(OptimizerFileError) -> OptimizerState<Scalar> {
    _ = try value(Self.formatKey, "'\(Self.format)'") { $0 == Self.format ? true : nil }
    var state = OptimizerState<Scalar>(tensors: layout.tensors.count)
    state.stepCount = try value(Self.stepKey, "a whole number >= 0", Self.count)
    state.lastStepClipped = try value(Self.clippedKey, "true or false", Bool.init)
    if let lossScale: LossScale = try decoded(Self.lossScaleKey) {
      guard lossScale.growth != nil else {
        throw invalid(Self.lossScaleKey, text[Self.lossScaleKey] ?? "", "a dynamic loss scale")
      }
      state.lossScale = lossScale
    }
    state.adaptiveLimit = try decoded(Self.adaptiveKey)
    var known: Set = [Self.formatKey, Self.stepKey, Self.clippedKey, Self.lossScaleKey, Self.adaptiveKey]
    for (index, tensor) in layout.tensors.enumerated() {
      let velocityKey = Self.velocityPrefix + tensor.name
      let averagedKey = Self.averagedPrefix + tensor.name
      let kinds = "one of \(Kind.allCases.map(\.rawValue))"
      let kind = try value(velocityKey, kinds, Kind.init, tensor: tensor.name)
      state.velocities[index].isSet = kind != .none
      state.velocities[index].keepsLearningRate = kind == .withLearningRate
      state.averages[index].count = try value(averagedKey, "a whole number >= 0", Self.count, tensor: tensor.name)
      known.formUnion([velocityKey, averagedKey])
    }
    if let key = text.keys.filter({ $0.hasPrefix(Self.prefix) && !known.contains($0) }).min() {
      throw OptimizerFileError(file: file, reason: .unexpectedMetadata(key: key))
    }
    return state
  }

  /// The text of a number as it is written, without a sign or leading zeros.
  private static func count(_ text: String) -> Int? {
    guard let count = Int(text), count >= 0, String(count) == text else { return nil }
    return count
  }

  private func value<T>(
    _ key: String, _ expected: String, _ parse: (String) -> T?, tensor: String? = nil
  ) throws(OptimizerFileError) -> T {
    guard let found = text[key] else {
      throw OptimizerFileError(file: file, tensor: tensor, reason: .missingMetadata(key: key, expected: expected))
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
      file: file, tensor: tensor, reason: .invalidMetadata(key: key, value: value, expected: expected))
  }
}
