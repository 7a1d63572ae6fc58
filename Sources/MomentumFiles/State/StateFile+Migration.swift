public import Momentum

extension StateFile {
  /// As ``load(_:into:parts:)``, of a model with more, fewer or reordered tensors: one that has got a new head, for example.
  ///
  /// ```swift
  /// let migration = try StateFile.migrate("state.safetensors", into: &optimizer)
  /// print(migration)  // added 'head.bias'; dropped nothing
  /// ```
  ///
  /// Tensors are the same if their names are. One that is added starts as on a first step, with neither velocity nor
  /// average; one that is dropped is named. Step count, loss scale and adaptive limit are those of the file.
  ///
  /// - Parameters:
  ///   - path: The file, of the present format; also a ``Checkpoint``, whose parameters are left.
  ///   - optimizer: What is to remember the state.
  ///   - parts: What to take from the file; a part that is not asked for stays as it is in the optimizer.
  /// - Returns: The tensors that were added and dropped.
  /// - Throws: ``OptimizerFileError``, also for a tensor of the same name and another shape; the optimizer is then
  ///   unchanged.
  /// - Complexity: O(n).
  @discardableResult
  public static func migrate<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parts: Parts = .all
  ) throws(OptimizerFileError) -> StateMigration {
    let parts = checked(parts)
    return try OptimizerFileError.naming(path) {
      let file = try SafetensorsFile(path: path)
      let metadata = StateMetadata(of: file)
      let isCheckpoint = try metadata.isCheckpoint()
      let own = try metadata.layout(isCheckpoint: isCheckpoint)
      let (held, stored): (Parts, OptimizerState<Scalar>) = try metadata.content(for: own)
      guard held.isSuperset(of: parts) else {
        throw OptimizerFileError(file: path, reason: .missingParts(held: held, expected: parts))
      }
      let vectors = try StoredVectors(file, held, stored, own, isCheckpoint: isCheckpoint)
      let layout = optimizer.layout
      let sources = try layout.sources(in: own)

      var state = OptimizerState<Scalar>(layout)
      (state.stepCount, state.lastStepClipped) = (stored.stepCount, stored.lastStepClipped)
      (state.lossScale, state.adaptiveLimit) = (stored.lossScale, stored.adaptiveLimit)
      for (index, source) in sources.enumerated() {
        guard let source else { continue }
        state.velocities[index] = stored.velocities[source]
        state.averages[index] = stored.averages[source]
      }
      func moved<Vector>(_ buffers: [Vector?]) -> [Vector?] {
        sources.map { $0.flatMap { buffers[$0] } }
      }
      try optimizer.restore(
        state, directions: parts.contains(.velocity) ? moved(vectors.directions) : nil,
        secondMoments: moved(vectors.secondMoments),
        averages: parts.contains(.average) ? moved(vectors.averages) : nil, confirm: { try file.checkUnchanged() })
      withExtendedLifetime(file) {}
      return StateMigration(from: own, to: layout)
    }
  }
}

extension StateMetadata {
  /// Whether a tensor of the file is a second moment, whose parameter has a velocity in it as well.
  func isSecondMoment(_ name: String, _ held: StateFile.Parts) -> Bool {
    let prefix = StateFile.secondMomentPrefix
    guard held.contains(.velocity), name.utf8.starts(with: prefix.utf8) else { return false }
    let parameter = String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    return file.tensor(named: held.prefix(of: .velocity) + parameter) != nil
  }

  /// The tensors that the file knows, with vectors or without.
  fileprivate func layout(isCheckpoint: Bool) throws -> ParameterLayout {
    try checkFormat()
    let held = try parts()
    var tensors: [(name: String, shape: [Int])] = []
    var names: Set<ExactText> = []
    let prefixes = [StateFile.Parts.velocity, .average].filter(held.contains).map { held.prefix(of: $0) }
    for tensor in file.tensors {
      if isSecondMoment(tensor.name, held) { continue }
      if isCheckpoint, tensor.name.utf8.starts(with: Checkpoint.prefix.utf8) { continue }
      guard let prefix = prefixes.first(where: { tensor.name.utf8.starts(with: $0.utf8) }) else {
        throw OptimizerFileError(file: file.path, tensor: tensor.name, reason: .unexpectedTensor)
      }
      let name = String(decoding: tensor.name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
      if names.insert(ExactText(name)).inserted { tensors.append((name, tensor.shape)) }
    }
    for other in try decoded(StateVectors.othersKey, as: ParameterLayout.self)?.tensors ?? [] {
      tensors.append((other.name, other.shape))
    }
    return try ParameterLayout(tensors)
  }
}
