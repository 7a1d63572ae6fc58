public import Momentum

/// The memory of an optimizer between steps, in a safetensors file.
///
/// ```swift
/// try StateFile.save(&optimizer, to: "state.safetensors")
/// // later, in an optimizer with the same settings and the same tensors:
/// try StateFile.load("state.safetensors", into: &resumed)
/// ```
///
/// A run that is resumed so goes on bit for bit as the one that saved. Settings are not part of the file: rules,
/// groups, clips and averaging come from the optimizer that loads. Schedules go by the number of steps taken, which is
/// in it. Parameters are not in it either.
///
/// A file says which ``Parts`` it holds. With both, for each tensor NAME that has them the file holds the tensors
/// `velocity/NAME` and `average/NAME`; with one part only, NAME itself, so that a velocity is a file as other programs
/// have them and an average is a model. They are of the optimizer's type and the parameter's shape. All metadata are
/// text:
///
/// | key | value | part |
/// |---|---|---|
/// | `momentum.stateFormat` | `2` | |
/// | `momentum.parts` | `velocity average`, `velocity` or `average` | |
/// | `momentum.step` | how many steps have been taken | velocity |
/// | `momentum.lastStepClipped` | `true` or `false` | velocity |
/// | `momentum.velocity.NAME` | `none`, `withLearningRate` or `withoutLearningRate` | velocity |
/// | `momentum.lossScale` | a dynamic `LossScale` in JSON | velocity |
/// | `momentum.adaptiveClipping` | an `AdaptiveLimit` with its statistics in JSON | velocity |
/// | `momentum.stepsAveraged.NAME` | how many steps the average has; `0` without one | average |
///
/// Keys that do not begin with `momentum.` are left to others. Files of version 0.1 are read as well: states of format
/// 1, and the files of velocities and of averages that its command wrote.
public enum StateFile {
  /// Writes a file, whole or not at all, from the optimizer's own memory.
  ///
  /// The vectors that are saved are folded first, in the optimizer too (`Optimizer.foldVelocity()`, `foldAverage()`):
  /// one rounding of each element, after which it goes on with the same bits as one that loads the file. Saving is part
  /// of a run in this sense: two runs agree bit for bit if they save after the same steps.
  ///
  /// - Parameters:
  ///   - optimizer: What remembers.
  ///   - path: Where the file goes.
  ///   - parts: What the file is to hold, at least one part.
  /// - Throws: ``OptimizerFileError``; the file is then as it was.
  /// - Complexity: O(n) to fold and to write; no copy of a vector.
  public static func save<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: inout Optimizer<Scalar>, to path: String, parts: Parts = .all
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) { try writer(path, of: &optimizer, parts: parts).write() }
  }

  /// A file that is yet to be written: before the optimizer's next step, and while it lives.
  package static func writer<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of optimizer: inout Optimizer<Scalar>, parts: Parts = .all
  ) throws -> SafetensorsWriter {
    let parts = checked(parts)
    if parts.contains(.velocity) { optimizer.foldVelocity() }
    if parts.contains(.average) { optimizer.foldAverage() }
    var writer = SafetensorsWriter(path: path, metadata: try StateMetadata.text(of: optimizer, parts))
    let velocityPrefix = parts.prefix(of: .velocity)
    let averagePrefix = parts.prefix(of: .average)
    for (index, tensor) in optimizer.layout.tensors.enumerated() {
      if parts.contains(.velocity), optimizer.hasVelocity(ofTensor: index) {
        let values = optimizer.foldedVelocity(ofTensor: index)
        try writer.add(velocityPrefix + tensor.name, shape: tensor.shape, values: values)
      }
      if parts.contains(.average), optimizer.hasAverage(ofTensor: index) {
        let values = optimizer.foldedAverage(ofTensor: index)
        try writer.add(averagePrefix + tensor.name, shape: tensor.shape, values: values)
      }
    }
    return writer
  }

  /// Replaces the state of an optimizer, or a part of it, by that of a file.
  ///
  /// The file must be of the same tensors: every tensor of the optimizer, no other, in its shape and type. A dynamic
  /// loss scale and adaptive clipping come with their settings; where the file has none, the optimizer's stay.
  ///
  /// Tensors without any metadata of this library are taken for velocities if only these are asked for, in the form
  /// that the optimizer's rules keep, and the number of steps then stays as it is. ``VelocityExchange`` converts
  /// velocities of the other form.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - optimizer: What is to remember its state.
  ///   - parts: What to take from the file, at least one part. It may hold more; a part that is not asked for stays as
  ///     it is in the optimizer.
  /// - Throws: ``OptimizerFileError``; the optimizer is then unchanged.
  /// - Complexity: O(n). The state that is replaced is let go when the new one is complete.
  public static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parts: Parts = .all
  ) throws(OptimizerFileError) {
    let parts = checked(parts)
    try OptimizerFileError.naming(path) {
      let file = try SafetensorsFile(path: path)
      let layout = optimizer.layout
      let (held, state) = try StateMetadata(of: file).content(for: optimizer, asked: parts)
      guard held.isSuperset(of: parts) else {
        throw OptimizerFileError(file: path, reason: .missingParts(held: held, expected: parts))
      }
      let velocities = TensorSelection(file, held.prefix(of: .velocity), state.velocities.map(\.isSet))
      let averages = TensorSelection(file, held.prefix(of: .average), state.averages.map { $0.count > 0 })
      let known = velocities.names(layout).union(averages.names(layout))
      if let tensor = file.tensors.first(where: { !known.contains(ExactText($0.name)) }) {
        throw OptimizerFileError(file: path, tensor: tensor.name, reason: .unexpectedTensor)
      }
      try optimizer.restore(
        state, directions: parts.contains(.velocity) ? velocities.buffers(layout) : nil,
        averages: parts.contains(.average) ? averages.buffers(layout) : nil,
        confirm: { try file.checkUnchanged() })
      // The buffers point into the file.
      withExtendedLifetime(file) {}
    }
  }

  /// Only parts that there are.
  private static func checked(_ parts: Parts) -> Parts {
    let known = parts.intersection(.all)
    precondition(!known.isEmpty, "no part of the state was named; expected velocity, average or both")
    return known
  }
}
