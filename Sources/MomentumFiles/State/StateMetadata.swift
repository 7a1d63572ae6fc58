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
  private static let format = "3"
  static let partsKey = "momentum.parts"
  static let stepKey = "momentum.step"
  static let clippedKey = "momentum.lastStepClipped"
  static let lossScaleKey = "momentum.lossScale"
  static let adaptiveKey = "momentum.adaptiveClipping"
  static let checkpointKey = "momentum.checkpoint"
  // MARK: - Writing

  /// The metadata of parts of an optimizer.
  ///
  /// - Parameters:
  ///   - passed: What the file holds besides.
  ///   - areFolded: Whether the file holds the vectors multiplied by their scales.
  static func text<Scalar>(
    of optimizer: borrowing Optimizer<Scalar>, passing passed: PassedState<Scalar>?, _ parts: StateFile.Parts,
    areFolded: Bool
  ) throws -> SafetensorsMetadata {
    var text: SafetensorsMetadata = [formatKey: format, partsKey: parts.description]
    if parts.contains(.velocity) {
      text[stepKey] = String(optimizer.stepCount)
      text[clippedKey] = String(optimizer.lastStepClipped)
      if optimizer.lossScale.growth != nil { text[lossScaleKey] = try json(optimizer.lossScale) }
      if let adaptive = optimizer.adaptiveLimit { text[adaptiveKey] = try json(adaptive) }
    }
    try StateVectors.write(optimizer, passing: passed, parts, areFolded: areFolded, into: &text)
    return text
  }

  static func json(_ value: some Encodable) throws -> String {
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
  ///   - layout: These tensors, and perhaps others that the file must have too.
  ///   - asked: The parts that are asked for, which tell what tensors without metadata are.
  func content<Scalar>(
    for optimizer: borrowing Optimizer<Scalar>, _ layout: ParameterLayout, asked: StateFile.Parts
  ) throws(OptimizerFileError) -> (held: StateFile.Parts, OptimizerState<Scalar>) {
    guard let earlier = EarlierFormat(of: self, asked: asked) else { return try content(for: layout) }
    return try earlier.content(of: self, for: optimizer, layout)
  }

  /// The same of a file in the present format, for tensors of a layout.
  func content<Scalar>(
    for layout: ParameterLayout
  ) throws(OptimizerFileError) -> (held: StateFile.Parts, OptimizerState<Scalar>) {
    try checkFormat()
    let held = try parts()
    var state = OptimizerState<Scalar>(layout)
    var known: Set<String> = [Self.formatKey, Self.partsKey, StateVectors.othersKey, Self.checkpointKey]
    if held.contains(.velocity) {
      try readRun(into: &state)
      known.formUnion(Self.runKeys + [StateVectors.velocitiesKey])
    }
    if held.contains(.average) { known.insert(StateVectors.averagesKey) }
    try checkKeys(known)
    try StateVectors.read(self, held, layout, into: &state)
    return (held, state)
  }

  /// The names of the parameters that the file knows: it has a vector of them, or says that they have none.
  func names() throws(OptimizerFileError) -> Set<ExactText> {
    var names = EarlierFormat.names(in: text)
    for other in try decoded(StateVectors.othersKey, as: ParameterLayout.self)?.tensors ?? [] {
      names.insert(ExactText(other.name))
    }
    guard text[Self.formatKey] != nil else { return names.union(file.tensors.map { ExactText($0.name) }) }
    // The first format had no parts.
    let held = text[Self.partsKey].flatMap { StateFile.Parts($0) } ?? .all
    let prefixes = [StateFile.Parts.velocity, .average].filter(held.contains).map { held.prefix(of: $0) }
    for tensor in file.tensors where !isSecondMoment(tensor.name, held) {
      guard let prefix = prefixes.first(where: { tensor.name.utf8.starts(with: $0.utf8) }) else { continue }
      names.insert(ExactText(String(decoding: tensor.name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)))
    }
    return names
  }

  /// Throws unless the file is of the present format.
  func checkFormat() throws(OptimizerFileError) {
    _ = try value(Self.formatKey, "'\(Self.format)'") { $0 == Self.format ? true : nil }
  }

  /// Whether the file holds the parameters as well.
  func isCheckpoint() throws(OptimizerFileError) -> Bool {
    guard text[Self.checkpointKey] != nil else { return false }
    return try value(Self.checkpointKey, "'\(Self.checkpoint)'") { $0 == Self.checkpoint ? true : nil }
  }

  static let checkpoint = "1"

  /// The parts that the file says it holds.
  func parts() throws(OptimizerFileError) -> StateFile.Parts {
    let choices = [StateFile.Parts.all, .velocity, .average].map { "'\($0)'" }
    return try value(Self.partsKey, "one of \(choices.joined(separator: ", "))") { StateFile.Parts($0) }
  }

  /// The keys that ``readRun(into:)`` reads.
  static let runKeys = [stepKey, clippedKey, lossScaleKey, adaptiveKey]

  /// What all files of one state have in common.
  static let sharedKeys = [formatKey, partsKey, EarlierFormat.velocityFormatKey] + runKeys

  /// Throws for a key of this library that is not known.
  func checkKeys(_ known: Set<String>) throws(OptimizerFileError) {
    if let key = text.keys.filter({ $0.hasPrefix(Self.prefix) && !known.contains($0) }).min() {
      throw OptimizerFileError(file: file.path, reason: .unexpectedMetadata(key: key))
    }
  }

  /// Reads what goes with the velocities of all tensors.
  func readRun<Scalar>(into state: inout OptimizerState<Scalar>) throws(OptimizerFileError) {
    state.stepCount = try value(Self.stepKey, Self.wholeNumber, Self.count)
    state.lastStepClipped = try value(Self.clippedKey, "true or false", Bool.init)
    try readAdapted(into: &state)
  }

  /// Reads what is adapted from step to step, if it is there.
  func readAdapted<Scalar>(into state: inout OptimizerState<Scalar>) throws(OptimizerFileError) {
    if let lossScale = try decoded(Self.lossScaleKey, as: LossScale.self) {
      guard lossScale.growth != nil else {
        throw invalid(Self.lossScaleKey, text[Self.lossScaleKey] ?? "", "a dynamic loss scale")
      }
      state.lossScale = lossScale
    }
    state.adaptiveLimit = try decoded(Self.adaptiveKey, as: AdaptiveLimit.self)
  }

  static let wholeNumber = "a whole number in 0...2^53"

  /// The number of a text as it is written, without a sign or leading zeros; up to the largest count of a state.
  static func count(_ text: String) -> Int? {
    guard let count = Int(text), count >= 0, count <= CountRange.largest, String(count) == text else { return nil }
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

  func decoded<T: Decodable>(_ key: String, as: T.Type) throws(OptimizerFileError) -> T? {
    guard let found = text[key] else { return nil }
    do {
      return try JSONDecoder().decode(T.self, from: Data(found.utf8))
    } catch {
      throw invalid(key, found, "its JSON form (\(Self.cause(error)))")
    }
  }

  private static func cause(_ error: any Error) -> String {
    if let error = error as? MomentumError { return error.description }
    switch error as? DecodingError {
    case .keyNotFound(let key, _): return "key '\(key.stringValue)' is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      return (context.codingPath.map(\.stringValue) + [context.debugDescription]).joined(separator: ": ")
    default: return "unreadable"
    }
  }

  private func invalid(
    _ key: String, _ value: String, _ expected: String, tensor: String? = nil
  ) -> OptimizerFileError {
    OptimizerFileError(
      file: file.path, tensor: tensor, reason: .invalidMetadata(key: key, value: value, expected: expected))
  }
}
