package import Momentum

/// The state of an optimizer, or a part of it, in open files: for that optimizer, or for others that have some of its
/// tensors each and are worked on one after the other.
package struct StoredState<Scalar: BLASScalar & SafetensorsScalar> {
  /// The paths, for errors.
  package let name: String
  private let parts: StateFile.Parts
  private let files: [StoredStateFile<Scalar>]
  /// Which of several files has a tensor.
  private let owners: [ExactText: Int]

  /// Finds the tensors of an optimizer in the files of a set, in which they may be divided in any way.
  ///
  /// - Parameters:
  ///   - optimizer: Whose tensors the files must have.
  ///   - others: Tensors that they may have too; see ``passed(_:)``.
  ///   - strangers: Tensors of another type than `Scalar`. A file that knows some of these, and none of the optimizer's or
  ///     of the others, is not looked at.
  ///   - parts: What to take.
  package init(
    _ set: StateSet, of optimizer: borrowing Optimizer<Scalar>, besides others: [PassedState<Scalar>.Name] = [],
    strangers: [String] = [], parts: StateFile.Parts
  ) throws(OptimizerFileError) {
    let parts = StateFile.checked(parts)
    self = try OptimizerFileError.naming(set.name) {
      try StoredState(set, of: optimizer, others, strangers, checked: parts)
    }
  }

  private init(
    _ set: StateSet, of optimizer: borrowing Optimizer<Scalar>, _ others: [PassedState<Scalar>.Name],
    _ strangers: [String], checked parts: StateFile.Parts
  ) throws {
    let stepped: [PassedState<Scalar>.Name] = optimizer.layout.tensors.map { ($0.name, $0.shape) }
    let known = stepped + others.filter { set.owner(of: $0.name) != nil }
    let strange = Set(strangers.compactMap(set.owner)).subtracting(known.map(\.name).compactMap(set.owner))
    let numbers = set.files.indices.filter { !strange.contains($0) }
    guard let first = numbers.first else {
      throw OptimizerFileError(file: set.name, tensor: (stepped + others).first?.name, reason: .missingTensor)
    }
    // What a single file lacks, and what tensors without metadata need not have, is found out where it is read.
    let mayLack = numbers.count == 1 || EarlierFormat(of: StateMetadata(of: set.files[first]), asked: parts) != nil
    var tensors: [Int: [PassedState<Scalar>.Name]] = [:]
    for tensor in known {
      guard let owner = set.owner(of: tensor.name) ?? (mayLack ? first : nil) else {
        throw OptimizerFileError(file: set.name, tensor: tensor.name, reason: .missingTensor)
      }
      tensors[owner, default: []].append(tensor)
    }
    var (files, owners): ([StoredStateFile<Scalar>], [ExactText: Int]) = ([], [:])
    for number in numbers {
      let layout = try ParameterLayout(tensors[number] ?? [])
      for tensor in numbers.count > 1 ? layout.tensors : [] { owners[ExactText(tensor.name)] = files.count }
      files.append(try StoredStateFile(set.files[number], of: optimizer, layout, parts: parts))
    }
    (name, self.parts, self.files, self.owners) = (set.name, parts, files, owners)
  }

  /// Finds the tensors of an optimizer in one file.
  init(_ file: SafetensorsFile, of optimizer: borrowing Optimizer<Scalar>, parts: StateFile.Parts) throws {
    files = [try StoredStateFile(file, of: optimizer, optimizer.layout, parts: parts)]
    (name, self.parts, owners) = (file.path, parts, [:])
  }

  // MARK: Tensors

  /// Where a tensor is: the number of its file, and its position there.
  private func place(of name: String) -> (file: Int, tensor: Int)? {
    let file = owners.isEmpty ? 0 : owners[ExactText(name)] ?? 0
    return files[file].layout.index(of: name).map { (file, $0) }
  }

  /// The path of the file that has a tensor.
  package func path(of name: String) -> String { place(of: name).map { files[$0.file].file.path } ?? self.name }

  /// Replaces the state of an optimizer, or the part of it that was asked for.
  ///
  /// - Parameters:
  ///   - optimizer: That of the files, or one of some of its tensors.
  ///   - withVectors: Whether velocities and averages are read. Without them an optimizer can measure a step, and cannot
  ///     take it.
  package func restore(
    into optimizer: inout Optimizer<Scalar>, withVectors: Bool = true
  ) throws(OptimizerFileError) {
    let own = optimizer.layout
    let places = own.tensors.compactMap { place(of: $0.name) }
    precondition(places.count == own.tensors.count, "the optimizer has other tensors than the files")
    // All files say the same of the run.
    let run = files[0].state
    var state = OptimizerState<Scalar>(own)
    (state.stepCount, state.lastStepClipped) = (run.stepCount, run.lastStepClipped)
    (state.lossScale, state.adaptiveLimit) = (run.lossScale, run.adaptiveLimit)
    state.velocities = places.map { files[$0.file].state.velocities[$0.tensor] }
    state.averages = places.map { files[$0.file].state.averages[$0.tensor] }
    func chosen<Buffer>(_ buffers: (StoredVectors<Scalar>) -> [Buffer]) -> [Buffer] {
      withVectors ? places.map { buffers(files[$0.file].vectors)[$0.tensor] } : []
    }
    let (directions, averages) = (chosen(\.directions), chosen(\.averages))
    let read = places.isEmpty ? Set(files.indices) : Set(places.map(\.file))
    try OptimizerFileError.naming(name) {
      do {
        try optimizer.restore(
          state, directions: parts.contains(.velocity) ? directions : nil, secondMoments: chosen(\.secondMoments),
          averages: parts.contains(.average) ? averages : nil,
          confirm: { for number in read { try files[number].file.checkUnchanged() } })
      } catch MomentumError.nonFiniteState(let what, let tensor, let index, let value) {
        let cause = MomentumError.nonFiniteState(what: what, tensor: tensor, index: index, value: value)
        throw OptimizerFileError(file: path(of: tensor), reason: .refused(cause))
      }
    }
    // The buffers point into the files.
    withExtendedLifetime(files) {}
  }

  // MARK: Tensors that are passed by

  /// What the files have of tensors that an optimizer of some of their tensors does not have.
  ///
  /// - Parameter others: These tensors. Those that no file knows have nothing yet.
  package func passed(_ others: [PassedState<Scalar>.Name]) -> PassedState<Scalar> {
    let tensors = others.map { other in
      var tensor = PassedState<Scalar>.Tensor(name: other.name, shape: other.shape)
      guard let (number, index) = place(of: other.name) else { return tensor }
      let (state, vectors) = (files[number].state, files[number].vectors)
      (tensor.velocity, tensor.average) = (state.velocities[index], state.averages[index])
      tensor.direction = vectors.directions[index]
      tensor.secondMoment = vectors.secondMoments[index]
      tensor.averageElements = vectors.averages[index]
      return tensor
    }
    return PassedState(tensors, of: files.map(\.file))
  }

  /// To be called when what is passed by has been written: lets the pages of these tensors go.
  ///
  /// - Throws: ``SafetensorsError/Reason/changedWhileOpen`` if a file that has one of them has changed since it was opened.
  package func finish(_ names: [String]) throws(SafetensorsError) {
    for number in Set(names.compactMap { place(of: $0)?.file }) { try files[number].file.checkUnchanged() }
    release(names)
  }

  /// Has the system read ahead the vectors of some tensors.
  package func prefetch(_ names: [String]) { forEachVector(of: names) { $0.prefetch($1) } }

  /// Lets the pages of the vectors of some tensors go; they are read again if they are needed once more.
  package func release(_ names: [String]) { forEachVector(of: names) { $0.release($1) } }

  private func forEachVector(of names: [String], _ body: (SafetensorsFile, SafetensorsTensor) -> Void) {
    for name in names {
      guard let place = place(of: name) else { continue }
      files[place.file].forEachVector(of: name) { body(files[place.file].file, $0) }
    }
  }
}
