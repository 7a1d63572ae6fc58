import Momentum

/// The vectors of a state in a file: a buffer for each tensor of a layout, `nil` where the state has none. They point into
/// the file.
struct StoredVectors<Scalar: BLASScalar & SafetensorsScalar> {
  let directions: [TensorBuffer?]
  let secondMoments: [UnsafeBufferPointer<Scalar>?]
  let averages: [UnsafeBufferPointer<Scalar>?]

  /// Finds all vectors, also of parts that are not asked for, so that none is missing or unknown.
  ///
  /// - Parameters:
  ///   - file: The file.
  ///   - held: The parts that it holds.
  ///   - state: What its metadata say.
  ///   - layout: The tensors of the state.
  ///   - isCheckpoint: Whether it holds the parameters as well, which are not looked at.
  init(
    _ file: SafetensorsFile, _ held: StateFile.Parts, _ state: OptimizerState<Scalar>, _ layout: ParameterLayout,
    isCheckpoint: Bool
  ) throws {
    let velocities = TensorSelection(file, held.prefix(of: .velocity), state.velocities.map(\.isSet))
    let averages = TensorSelection(file, held.prefix(of: .average), state.averages.map { $0.count > 0 })
    let squares = TensorSelection(
      file, StateFile.secondMomentPrefix, state.velocities.map { $0.secondMomentSteps > 0 })
    let others = isCheckpoint ? file.tensors.count { $0.name.utf8.starts(with: Checkpoint.prefix.utf8) } : 0
    if velocities.count + squares.count + averages.count + others != file.tensors.count {
      let known = velocities.names(layout).union(squares.names(layout)).union(averages.names(layout))
      let unknown = file.tensors.first {
        !known.contains(ExactText($0.name)) && !(isCheckpoint && $0.name.utf8.starts(with: Checkpoint.prefix.utf8))
      }
      if let unknown { throw OptimizerFileError(file: file.path, tensor: unknown.name, reason: .unexpectedTensor) }
    }
    directions = try velocities.velocities(layout, of: Scalar.self)
    secondMoments = try squares.buffers(layout, as: Scalar.self)
    self.averages = try averages.buffers(layout, as: Scalar.self)
  }
}
