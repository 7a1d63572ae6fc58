import Momentum

/// The state of some tensors in an open file.
struct StoredStateFile<Scalar: BLASScalar & SafetensorsScalar> {
  let file: SafetensorsFile
  let layout: ParameterLayout
  let state: OptimizerState<Scalar>
  let vectors: StoredVectors<Scalar>
  private let held: StateFile.Parts

  /// Finds all that a file must hold; see ``StateFile/load(_:into:parts:)``.
  ///
  /// - Parameters:
  ///   - optimizer: The rules of the tensors, for files of earlier formats; it may have other tensors too.
  ///   - layout: The tensors that the file must have, and no others.
  ///   - parts: What it must hold at least.
  init(
    _ file: SafetensorsFile, of optimizer: borrowing Optimizer<Scalar>, _ layout: ParameterLayout,
    parts: StateFile.Parts
  ) throws {
    let metadata = StateMetadata(of: file)
    let (held, state) = try metadata.content(for: optimizer, layout, asked: parts)
    guard held.isSuperset(of: parts) else {
      throw OptimizerFileError(file: file.path, reason: .missingParts(held: held, expected: parts))
    }
    (self.file, self.held, self.layout, self.state) = (file, held, layout, state)
    vectors = try StoredVectors(file, held, state, layout, isCheckpoint: metadata.isCheckpoint())
  }

  /// Calls `body` with the vectors of a tensor as the file has them.
  func forEachVector(of name: String, _ body: (SafetensorsTensor) -> Void) {
    let prefixes = [held.prefix(of: .velocity), held.prefix(of: .average), StateFile.secondMomentPrefix]
    for prefix in Set(prefixes) {
      if let tensor = file.tensor(named: prefix + name) { body(tensor) }
    }
  }
}
