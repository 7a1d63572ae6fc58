package import Momentum

/// The state of an optimizer, or a part of it, in an open file: for that optimizer, or for others that have some of its
/// tensors each and are worked on one after the other.
package struct StoredState<Scalar: BLASScalar & SafetensorsScalar> {
  private let file: SafetensorsFile
  private let parts: StateFile.Parts
  private let held: StateFile.Parts
  private let layout: ParameterLayout
  private let state: OptimizerState<Scalar>
  private let vectors: StoredVectors<Scalar>

  /// Opens a file; see ``StateFile/load(_:into:parts:)`` for what it must hold.
  ///
  /// - Parameters:
  ///   - optimizer: Whose tensors the file must have.
  ///   - others: Tensors that it may have too; see ``passed(_:)``.
  package init(
    path: String, of optimizer: borrowing Optimizer<Scalar>, besides others: [PassedState<Scalar>.Name] = [],
    parts: StateFile.Parts
  ) throws(OptimizerFileError) {
    let parts = StateFile.checked(parts)
    self = try OptimizerFileError.naming(path) {
      // Of a checkpoint of thousands of files not all states can be open at once.
      let file = try SafetensorsFile(path: path, access: .readOnly, staysOpen: others.isEmpty)
      return try StoredState(file, of: optimizer, besides: others, parts: parts)
    }
  }

  init(
    _ file: SafetensorsFile, of optimizer: borrowing Optimizer<Scalar>, besides others: [PassedState<Scalar>.Name] = [],
    parts: StateFile.Parts
  ) throws {
    let metadata = StateMetadata(of: file)
    var layout = optimizer.layout
    let known = try metadata.known(others.map(\.name))
    if known.contains(true) {
      let additional = zip(others, known).filter(\.1).map(\.0)
      layout = try ParameterLayout(layout.tensors.map { ($0.name, $0.shape) } + additional)
    }
    let (held, state) = try metadata.content(for: optimizer, layout, asked: parts)
    guard held.isSuperset(of: parts) else {
      throw OptimizerFileError(file: file.path, reason: .missingParts(held: held, expected: parts))
    }
    (self.file, self.parts, self.held) = (file, parts, held)
    (self.layout, self.state) = (layout, state)
    vectors = try StoredVectors(file, held, state, layout, isCheckpoint: metadata.isCheckpoint())
  }

  /// Replaces the state of an optimizer, or the part of it that was asked for.
  ///
  /// - Parameters:
  ///   - optimizer: That of the file, or one of some of its tensors.
  ///   - withVectors: Whether velocities and averages are read. Without them an optimizer can measure a step, and cannot
  ///     take it.
  package func restore(
    into optimizer: inout Optimizer<Scalar>, withVectors: Bool = true
  ) throws(OptimizerFileError) {
    let own = optimizer.layout
    let positions = own == layout ? Array(own.tensors.indices) : own.tensors.compactMap { layout.index(of: $0.name) }
    precondition(positions.count == own.tensors.count, "the optimizer has other tensors than the file's")
    var part = state
    if own != layout {
      part = OptimizerState(own)
      (part.stepCount, part.lastStepClipped) = (state.stepCount, state.lastStepClipped)
      (part.lossScale, part.adaptiveLimit) = (state.lossScale, state.adaptiveLimit)
      part.velocities = positions.map { state.velocities[$0] }
      part.averages = positions.map { state.averages[$0] }
    }
    func chosen<Buffer>(_ buffers: [Buffer]) -> [Buffer] { withVectors ? positions.map { buffers[$0] } : [] }
    let (directions, averages) = (chosen(vectors.directions), chosen(vectors.averages))
    try OptimizerFileError.naming(file.path) {
      try optimizer.restore(
        part, directions: parts.contains(.velocity) ? directions : nil, secondMoments: chosen(vectors.secondMoments),
        averages: parts.contains(.average) ? averages : nil, confirm: { try file.checkUnchanged() })
    }
    // The buffers point into the file.
    withExtendedLifetime(file) {}
  }

  /// What the file has of tensors that an optimizer of some of its tensors does not have.
  ///
  /// - Parameter others: These tensors. Those that the file does not know have nothing yet.
  package func passed(_ others: [PassedState<Scalar>.Name]) -> PassedState<Scalar> {
    let tensors = others.map { other in
      var tensor = PassedState<Scalar>.Tensor(name: other.name, shape: other.shape)
      guard let index = layout.index(of: other.name) else { return tensor }
      (tensor.velocity, tensor.average) = (state.velocities[index], state.averages[index])
      tensor.direction = vectors.directions[index]
      tensor.secondMoment = vectors.secondMoments[index]
      tensor.averageElements = vectors.averages[index]
      return tensor
    }
    return PassedState(tensors, of: file)
  }

  /// To be called when what is passed by has been written: lets the pages of the file go.
  ///
  /// - Throws: ``SafetensorsError/Reason/changedWhileOpen`` if the file has changed since it was opened.
  package func finish() throws(SafetensorsError) {
    try file.checkUnchanged()
    for tensor in file.tensors { file.release(tensor) }
  }

  /// Has the system read ahead the vectors of some tensors.
  package func prefetch(_ names: [String]) { forEachVector(of: names) { file.prefetch($0) } }

  /// Lets the pages of the vectors of some tensors go; they are read again if they are needed once more.
  package func release(_ names: [String]) { forEachVector(of: names) { file.release($0) } }

  private func forEachVector(of names: [String], _ body: (SafetensorsTensor) -> Void) {
    let prefixes = [held.prefix(of: .velocity), held.prefix(of: .average), StateFile.secondMomentPrefix]
    for name in names {
      for prefix in Set(prefixes) {
        if let tensor = file.tensor(named: prefix + name) { body(tensor) }
      }
    }
  }
}
