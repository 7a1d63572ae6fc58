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
  /// - Parameter areFolded: Whether the file holds the vectors multiplied by their scales.
  static func write<Scalar>(
    _ optimizer: borrowing Optimizer<Scalar>, _ parts: StateFile.Parts, areFolded: Bool,
    into text: inout SafetensorsMetadata
  ) throws {
    let tensors = optimizer.layout.tensors
    var velocities: [(name: String, value: VelocityState)] = []
    var averages: [(name: String, value: AverageState)] = []
    var others: [(name: String, shape: [Int])] = []
    for (index, tensor) in tensors.enumerated() {
      var isOther = true
      if parts.contains(.velocity), optimizer.hasVelocity(ofTensor: index) {
        var state = optimizer.velocityState(ofTensor: index)
        if areFolded { state.scale = 1 }
        velocities.append((tensor.name, state))
        isOther = false
      }
      if parts.contains(.average), optimizer.hasAverage(ofTensor: index) {
        var state = optimizer.averageState(ofTensor: index)
        if areFolded { state.scale = 1 }
        averages.append((tensor.name, state))
        isOther = false
      }
      if isOther { others.append((tensor.name, tensor.shape)) }
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
      let values = try metadata.value(velocitiesKey, expected) {
        StateRuns.values(of: $0, count: withVelocity.count, velocity)
      }
      for (index, value) in zip(ordered(withVelocity, tensors, values), values) { state.velocities[index] = value }
    }
    if held.contains(.average) {
      let expected = "the counts of steps and the scales of \(withAverage.count) averages"
      let values = try metadata.value(averagesKey, expected) {
        StateRuns.values(of: $0, count: withAverage.count, average)
      }
      for (index, value) in zip(ordered(withAverage, tensors, values), values) { state.averages[index] = value }
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
