import Momentum

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What the metadata say of the vectors in a file: the scale of each and what it is, and which tensors have none.
///
/// Values are listed in the order of the bytes of the tensors' names, so that they do not depend on the order of the
/// tensors in a model.
enum StateVectors {
  static let velocitiesKey = "momentum.velocities"
  static let averagesKey = "momentum.averages"
  static let othersKey = "momentum.otherTensors"

  // MARK: Writing

  /// Adds the metadata of parts of an optimizer.
  ///
  /// - Parameters:
  ///   - passed: What the file holds besides.
  ///   - areFolded: Whether the file holds the vectors multiplied by their scales.
  static func write<Scalar>(
    _ optimizer: borrowing Optimizer<Scalar>, passing passed: PassedState<Scalar>?, _ parts: StateFile.Parts,
    areFolded: Bool, into text: inout SafetensorsMetadata
  ) throws {
    var velocities: [(name: String, value: VelocityState)] = []
    var averages: [(name: String, value: AverageState)] = []
    var others: [(name: String, shape: [Int])] = []
    func add(_ name: String, _ shape: [Int], _ velocity: VelocityState?, _ average: AverageState?) {
      if var velocity {
        if areFolded { velocity.scale = 1 }
        velocities.append((name, velocity))
      }
      if var average {
        if areFolded { average.scale = 1 }
        averages.append((name, average))
      }
      if velocity == nil, average == nil { others.append((name, shape)) }
    }
    let (hasVelocities, hasAverages) = (parts.contains(.velocity), parts.contains(.average))
    for (index, tensor) in optimizer.layout.tensors.enumerated() {
      let hasVelocity = hasVelocities && optimizer.hasVelocity(ofTensor: index)
      let hasAverage = hasAverages && optimizer.hasAverage(ofTensor: index)
      add(
        tensor.name, tensor.shape, hasVelocity ? optimizer.velocityState(ofTensor: index) : nil,
        hasAverage ? optimizer.averageState(ofTensor: index) : nil)
    }
    for tensor in passed?.tensors ?? [] {
      add(
        tensor.name, tensor.shape, hasVelocities && tensor.direction != nil ? tensor.velocity : nil,
        hasAverages && tensor.averageElements != nil ? tensor.average : nil)
    }
    if parts.contains(.velocity) { text[velocitiesKey] = StateRuns.text(of: sorted(velocities), words) }
    if parts.contains(.average) { text[averagesKey] = StateRuns.text(of: sorted(averages), words) }
    if !others.isEmpty { text[othersKey] = try StateMetadata.json(ParameterLayout(others)) }
  }

  /// The values in the order of the bytes of the names.
  private static func sorted<Value: Equatable>(_ states: [(name: String, value: Value)]) -> [Value] {
    guard let first = states.first, states.contains(where: { $0.value != first.value }) else {
      return states.map(\.value)
    }
    return states.sorted { ExactText($0.name) < ExactText($1.name) }.map(\.value)
  }

  private static func words(_ velocity: VelocityState) -> String {
    let form = velocity.keepsLearningRate ? "withLearningRate" : "withoutLearningRate"
    let steps = velocity.secondMomentSteps
    return "\(form) \(HexDouble.text(of: velocity.scale))\(steps > 0 ? " \(steps)" : "")"
  }

  private static func words(_ average: AverageState) -> String {
    "\(average.count) \(HexDouble.text(of: average.scale))"
  }

  // MARK: Reading

  /// Reads which tensors have vectors in a file, and of what scale.
  static func read<Scalar>(
    _ metadata: StateMetadata, _ held: StateFile.Parts, _ layout: ParameterLayout,
    into state: inout OptimizerState<Scalar>
  ) throws(OptimizerFileError) {
    let (tensors, file) = (layout.tensors, metadata.file)
    func positions(_ part: StateFile.Parts) -> [Int] {
      guard held.contains(part) else { return [] }
      let prefix = held.prefix(of: part)
      return tensors.indices.filter { file.tensor(named: prefix + tensors[$0].name) != nil }
    }
    let (withVelocity, withAverage) = (positions(.velocity), positions(.average))
    try checkOthers(metadata, layout, withVector: withVelocity + withAverage)

    if held.contains(.velocity) {
      let expected = "the forms and scales of \(withVelocity.count) velocities"
      let values = try blamingUnknown(.velocity, held, metadata, layout) { () throws(OptimizerFileError) in
        try metadata.value(velocitiesKey, expected) { StateRuns.values(of: $0, count: withVelocity.count, velocity) }
      }
      for (index, value) in zip(ordered(withVelocity, tensors, values), values) { state.velocities[index] = value }
    }
    if held.contains(.average) {
      let expected = "the counts of steps and the scales of \(withAverage.count) averages"
      let values = try blamingUnknown(.average, held, metadata, layout) { () throws(OptimizerFileError) in
        try metadata.value(averagesKey, expected) { StateRuns.values(of: $0, count: withAverage.count, average) }
      }
      for (index, value) in zip(ordered(withAverage, tensors, values), values) { state.averages[index] = value }
    }
  }

  /// Reads the list of a part. If that fails and the file has a vector of a tensor that the layout has not, this is the error: of
  /// a larger model the list is longer too.
  private static func blamingUnknown<Value>(
    _ part: StateFile.Parts, _ held: StateFile.Parts, _ metadata: StateMetadata, _ layout: ParameterLayout,
    _ read: () throws(OptimizerFileError) -> [Value]
  ) throws(OptimizerFileError) -> [Value] {
    do throws(OptimizerFileError) {
      return try read()
    } catch {
      let prefix = held.prefix(of: part)
      let unknown = metadata.file.tensors.first { tensor in
        guard tensor.name.utf8.starts(with: prefix.utf8) else { return false }
        let own = String(decoding: tensor.name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        return layout.index(of: own) == nil && !tensor.name.utf8.starts(with: StateFile.secondMomentPrefix.utf8)
      }
      if let unknown {
        throw OptimizerFileError(file: metadata.file.path, tensor: unknown.name, reason: .unexpectedTensor)
      }
      throw error
    }
  }

  /// Checks that the tensors with vectors in the file and those that the metadata add are those of the layout.
  private static func checkOthers(
    _ metadata: StateMetadata, _ layout: ParameterLayout, withVector: [Int]
  ) throws(OptimizerFileError) {
    func refusal(_ tensor: String, _ reason: OptimizerFileError.Reason) -> OptimizerFileError {
      OptimizerFileError(file: metadata.file.path, tensor: tensor, reason: reason)
    }
    var isThere = Array(repeating: false, count: layout.tensors.count)
    for index in withVector { isThere[index] = true }
    for other in try metadata.decoded(othersKey, as: ParameterLayout.self)?.tensors ?? [] {
      guard let index = layout.index(of: other.name), !isThere[index] else {
        throw refusal(other.name, .unexpectedTensor)
      }
      let expected = layout.tensors[index].shape
      guard other.shape == expected else {
        throw refusal(other.name, .shapeMismatch(shape: other.shape, expected: expected))
      }
      isThere[index] = true
    }
    if let missing = isThere.firstIndex(of: false) { throw refusal(layout.tensors[missing].name, .missingTensor) }
  }

  /// Positions in the order of the bytes of their tensors' names, if the values differ.
  private static func ordered<Value: Equatable>(
    _ positions: [Int], _ tensors: [ParameterLayout.Tensor], _ values: [Value]
  ) -> [Int] {
    guard let first = values.first, values.contains(where: { $0 != first }) else { return positions }
    return positions.map { (ExactText(tensors[$0].name), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
  }

  private static func velocity(_ words: [Substring]) -> VelocityState? {
    guard words.count == 2 || words.count == 3, let scale = scale(words[1]) else { return nil }
    var state = VelocityState()
    (state.isSet, state.scale) = (true, scale)
    if words.count == 3 {
      guard let steps = StateMetadata.count(String(words[2])), steps >= 1 else { return nil }
      state.secondMomentSteps = steps
    }
    switch words[0] {
    case "withLearningRate": state.keepsLearningRate = true
    case "withoutLearningRate": break
    default: return nil
    }
    return state
  }

  private static func average(_ words: [Substring]) -> AverageState? {
    guard words.count == 2, let count = StateMetadata.count(String(words[0])), count >= 1, let scale = scale(words[1])
    else { return nil }
    var state = AverageState()
    (state.count, state.scale) = (count, scale)
    return state
  }

  private static func scale(_ text: Substring) -> Double? {
    HexDouble.value(of: String(text)).flatMap { $0 > 0 && $0.isFinite ? $0 : nil }
  }
}
