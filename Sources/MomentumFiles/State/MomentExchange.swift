public import Momentum

/// The two moments of Adam as other libraries have them, in safetensors files: plain tensors under the parameters'
/// names behind a prefix, the means of gradients behind one and the means of their squares behind another.
///
/// ```swift
/// // In Python: tensors[f"exp_avg.{name}"], tensors[f"exp_avg_sq.{name}"] = state["exp_avg"], state["exp_avg_sq"]
/// let exchange = MomentExchange(of: .pytorch)
/// try exchange.read(path, into: &optimizer, steps: 1000)
/// ```
///
/// They are the velocity and the second moment of an optimizer whose rule is `AdamW`. Files are written in the
/// optimizer's element type; an optimizer of `Float` also reads means of gradients of `BF16`.
public struct MomentExchange: Sendable, Hashable {
  /// The text before the parameters' names of the means of gradients.
  public var firstPrefix: String
  /// The text before the parameters' names of the means of squares.
  public var secondPrefix: String

  /// Moments under the names that the library of a convention has for them: PyTorch's `exp_avg` and `exp_avg_sq`,
  /// Optax's `mu` and `nu`, Keras's `momentums` and `velocities`, `m` and `v` of the others, each with a dot behind it.
  public init(of convention: Convention) {
    switch convention {
    case .pytorch: self.init(firstPrefix: "exp_avg.", secondPrefix: "exp_avg_sq.")
    case .optax: self.init(firstPrefix: "mu.", secondPrefix: "nu.")
    case .keras: self.init(firstPrefix: "momentums.", secondPrefix: "velocities.")
    case .native, .mlx: self.init(firstPrefix: "m.", secondPrefix: "v.")
    }
  }

  /// Moments under other names.
  public init(firstPrefix: String, secondPrefix: String) {
    (self.firstPrefix, self.secondPrefix) = (firstPrefix, secondPrefix)
  }

  /// Replaces an optimizer's velocities and second moments by those of a file.
  ///
  /// A tensor of which the file has neither moment is left without; its next step is a first step. Everything else
  /// stays, the number of the optimizer's steps too: see `Optimizer.resume(stepCount:lastStepClipped:)`.
  ///
  /// - Parameters:
  ///   - path: The file. Tensors whose names begin with neither prefix are not looked at.
  ///   - optimizer: What is to remember them.
  ///   - steps: The number of steps that have entered the moments, at least 1, which the bias correction goes by.
  /// - Throws: ``OptimizerFileError``, also for a tensor with one moment of two, and for a mean of squares below 0; the
  ///   optimizer is then unchanged.
  /// - Complexity: O(n).
  public func read<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, steps: Int
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) {
      let file = try SafetensorsFile(path: path)
      let layout = optimizer.layout
      let isThere = layout.tensors.map { tensor in
        [firstPrefix, secondPrefix].contains { file.tensor(named: $0 + tensor.name) != nil }
      }
      let first = TensorSelection(file, firstPrefix, isThere)
      let second = TensorSelection(file, secondPrefix, isThere)
      for selection in [(firstPrefix, first), (secondPrefix, second)] {
        let known = selection.1.names(layout)
        let candidates = file.tensors.filter { $0.name.utf8.starts(with: selection.0.utf8) }
        guard !candidates.isEmpty else {
          throw OptimizerFileError(file: path, reason: .noTensors(prefix: selection.0))
        }
        if let other = candidates.first(where: { !known.contains(ExactText($0.name)) }) {
          throw OptimizerFileError(file: path, tensor: other.name, reason: .unexpectedTensor)
        }
      }
      try optimizer.replaceMoments(
        first.velocities(layout, of: Scalar.self), second.buffers(layout, as: Scalar.self), steps: steps
      ) { try file.checkUnchanged() }
      withExtendedLifetime(file) {}
    }
  }

  /// Writes an optimizer's velocities and second moments, of the tensors that have both.
  ///
  /// - Parameters:
  ///   - optimizer: What has them.
  ///   - path: Where the file goes.
  /// - Throws: ``OptimizerFileError``; the file is then as it was.
  /// - Complexity: O(n); no copy of a vector.
  public func write<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: borrowing Optimizer<Scalar>, to path: String
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) {
      var writer = SafetensorsWriter(path: path)
      for (index, tensor) in optimizer.layout.tensors.enumerated() where optimizer.hasSecondMoment(ofTensor: index) {
        // The optimizer's memory outlives the writer, and nothing steps in between.
        try writer.add(
          firstPrefix + tensor.name, shape: tensor.shape, elements: optimizer.velocity(ofTensor: index))
        try writer.add(
          secondPrefix + tensor.name, shape: tensor.shape, values: optimizer.storedSecondMoment(ofTensor: index))
      }
      try writer.write()
    }
  }
}
