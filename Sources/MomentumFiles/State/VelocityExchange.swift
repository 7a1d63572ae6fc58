public import Momentum

/// Velocities as other libraries have them, in safetensors files: plain tensors under the parameters' names.
///
/// ```swift
/// // In Python: safetensors.torch.save_file({name: rule.state[p]["momentum_buffer"] for name, p in ...}, path)
/// let exchange = VelocityExchange(of: .pytorch)
/// try exchange.read("momentum.safetensors", into: &optimizer)
/// ```
///
/// PyTorch's `momentum_buffer`, Optax's `trace` and MLX's `v` are velocities without the learning rate, `p ← p − lr·v`;
/// Keras's `momentums` keep it, `p ← p + v`, and so does the trace of Optax's `lars`. Where the optimizer's rule has
/// the other form, velocities are converted at the learning rate of its next step: `v_in = −lr·v_out`.
///
/// Muon's momenta are means of gradients in PyTorch, Optax and MLX, and sums in Keras and here: `v_mean = (1 − m)·v_sum`, by
/// the momentum of the next step. Those of Lion, Signum and AdamW are the same everywhere.
///
/// Files are written in the optimizer's element type. An optimizer of `Float` also reads velocities of `BF16`.
public struct VelocityExchange: Sendable, Hashable {
  /// Whether the learning rate is part of the velocities in the file.
  public var keepsLearningRate: Bool
  /// Whose velocities they are, if that says it; ``keepsLearningRate`` then holds for the rules that are of no other form
  /// than SGD there.
  public let convention: Convention?
  /// The text before the parameters' names. Tensors whose names begin otherwise are not looked at.
  public var prefix: String

  /// Velocities as the optimizer's rules have them in the library of a convention.
  public init(of convention: Convention, prefix: String = "") {
    (keepsLearningRate, self.convention) = (convention.keepsLearningRateInVelocity, convention)
    self.prefix = prefix
  }

  /// Velocities of either form, otherwise as the optimizer's rules keep them.
  public init(keepsLearningRate: Bool, prefix: String = "") {
    (self.keepsLearningRate, convention) = (keepsLearningRate, nil)
    self.prefix = prefix
  }

  /// Replaces an optimizer's velocities by those of a file.
  ///
  /// A tensor that the file does not have is left without a velocity, as PyTorch leaves one without a gradient; its
  /// next step is a first step. Everything else stays, the number of steps too: see
  /// `Optimizer.resume(stepCount:lastStepClipped:)`, which a rule with a schedule needs first.
  ///
  /// - Parameters:
  ///   - path: The file. With an empty ``prefix`` it may have no tensor that the optimizer has not.
  ///   - optimizer: What is to remember them.
  ///   - learningRate: That of the next step, if velocities must be converted; by default as each tensor's rule has it.
  /// - Throws: ``OptimizerFileError``; the optimizer is then unchanged.
  /// - Complexity: O(n). The velocities that are replaced are let go when the new ones are complete.
  public func read<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, learningRate: Double? = nil
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) {
      let file = try SafetensorsFile(path: path)
      let layout = optimizer.layout
      let isThere = layout.tensors.map { file.tensor(named: prefix + $0.name) != nil }
      let selection = TensorSelection(file, prefix, isThere)
      let candidates = file.tensors.filter { $0.name.utf8.starts(with: prefix.utf8) }
      guard !candidates.isEmpty else {
        throw OptimizerFileError(file: path, reason: .noTensors(prefix: prefix))
      }
      if candidates.count != selection.count {
        let known = selection.names(layout)
        if let tensor = candidates.first(where: { !known.contains(ExactText($0.name)) }) {
          throw OptimizerFileError(file: path, tensor: tensor.name, reason: .unexpectedTensor)
        }
      }
      try take(selection, isThere, into: &optimizer, learningRate) { try file.checkUnchanged() }
      withExtendedLifetime(file) {}
    }
  }

  /// The same of those tensors of a set of files that the optimizer has. Others are not looked at.
  package func read<Scalar: BLASScalar & SafetensorsScalar>(
    _ set: SafetensorsSet, named name: String, into optimizer: inout Optimizer<Scalar>
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(name) {
      let places = optimizer.layout.tensors.map { set.place(of: prefix + $0.name) }
      let isThere = places.map { $0 != nil }
      let selection = TensorSelection(name, prefix, isThere) { set.place(of: $0) }
      try take(selection, isThere, into: &optimizer, nil) {
        for file in set.files where places.contains(where: { $0?.file === file }) { try file.checkUnchanged() }
      }
      for case let place? in places { place.file.release(place.tensor) }
    }
  }

  /// Replaces an optimizer's velocities by those that have been found for its tensors.
  private func take<Scalar: BLASScalar & SafetensorsScalar>(
    _ selection: TensorSelection, _ isThere: [Bool], into optimizer: inout Optimizer<Scalar>, _ learningRate: Double?,
    confirm: () throws -> Void
  ) throws {
    let velocities = try selection.velocities(optimizer.layout, of: Scalar.self)
    let own = try forms(of: optimizer, learningRate)
    let theirs = try fileForms(own, of: optimizer)
    var forms: [VelocityForm] = []
    for index in own.indices {
      if isThere[index], own[index].keepsLearningRate != theirs[index].keepsLearningRate {
        try Self.check(own[index].learningRate)
      }
      forms.append(try own[index].relative(to: theirs[index], isThere: isThere[index]))
    }
    try optimizer.replaceVelocities(
      velocities, keepLearningRate: theirs.map(\.keepsLearningRate), convertedTo: forms, confirm: confirm)
  }

  /// Writes an optimizer's velocities, of the tensors that have one, as other programs have them: multiplied by their
  /// scales, which rounds each element once at most, in the file only.
  ///
  /// - Parameters:
  ///   - optimizer: What has them.
  ///   - path: Where the file goes.
  ///   - learningRate: That of the next step, if velocities must be converted; by default as each tensor's rule has it.
  ///     Conversion adds no rounding of elements.
  /// - Throws: ``OptimizerFileError``; the file is then as it was.
  /// - Complexity: O(n); no copy of a vector.
  public func write<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: borrowing Optimizer<Scalar>, to path: String, learningRate: Double? = nil
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) {
      var writer = SafetensorsWriter(path: path)
      let own = try forms(of: optimizer, learningRate)
      let theirs = try fileForms(own, of: optimizer)
      for (index, tensor) in optimizer.layout.tensors.enumerated() where optimizer.hasVelocity(ofTensor: index) {
        if optimizer.keepsLearningRateInVelocity(ofTensor: index) != theirs[index].keepsLearningRate {
          try Self.check(own[index].learningRate)
        }
        let form = try theirs[index].relative(to: own[index])
        // The optimizer's memory outlives the writer, and nothing steps in between.
        let velocity = optimizer.velocity(ofTensor: index, in: form)
        try writer.add(prefix + tensor.name, shape: tensor.shape, elements: velocity)
      }
      try writer.write()
    }
  }

  /// The form that each tensor's rule keeps its velocity in, with the rate to convert at.
  private func forms<Scalar>(
    of optimizer: borrowing Optimizer<Scalar>, _ learningRate: Double?
  ) throws(MomentumError) -> [VelocityForm] {
    try optimizer.velocityForms().map {
      VelocityForm(
        keepsLearningRate: $0.keepsLearningRate, learningRate: learningRate ?? $0.learningRate,
        gradientWeight: $0.gradientWeight)
    }
  }

  /// The form that each tensor's velocity has in the file.
  private func fileForms<Scalar>(
    _ own: [VelocityForm], of optimizer: borrowing Optimizer<Scalar>
  ) throws(MomentumError) -> [VelocityForm] {
    let known = try convention.map { convention throws(MomentumError) in
      try optimizer.velocityForms(under: convention)
    }
    return own.indices.map { index in
      let form = known?[index]
      return VelocityForm(
        keepsLearningRate: form?.keepsLearningRate ?? keepsLearningRate, learningRate: own[index].learningRate,
        gradientWeight: form?.gradientWeight ?? own[index].gradientWeight)
    }
  }

  /// Throws for a learning rate that velocities cannot be converted at.
  private static func check(_ rate: Double) throws(MomentumError) {
    guard rate > 0, rate.isFinite else {
      throw .invalidSetting(
        name: "learningRate", value: rate, expected: .words("a finite number > 0 to convert velocities at"))
    }
  }
}
