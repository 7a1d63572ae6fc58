public import Momentum

/// Everything that an optimizer remembers between steps, in one safetensors file.
///
/// ```swift
/// try StateFile.save(&optimizer, to: "state.safetensors")
/// // later, in an optimizer with the same settings and the same tensors:
/// try StateFile.load("state.safetensors", into: &resumed)
/// ```
///
/// A run that is resumed so goes on bit for bit as the one that saved. Settings are not part of the file: rules, groups, clips
/// and averaging come from the optimizer that loads. Schedules go by the number of steps taken, which is in it. Parameters
/// are not in it either.
///
/// For each tensor NAME that has them the file holds the tensors `velocity/NAME` and `average/NAME`, in the optimizer's type
/// and the parameter's shape. All metadata are text:
///
/// | key | value |
/// |---|---|
/// | `momentum.stateFormat` | `1` |
/// | `momentum.step` | how many steps have been taken |
/// | `momentum.lastStepClipped` | `true` or `false` |
/// | `momentum.velocity.NAME` | `none`, `withLearningRate` or `withoutLearningRate` |
/// | `momentum.stepsAveraged.NAME` | how many steps the average has; `0` without one |
/// | `momentum.lossScale` | a dynamic `LossScale` in JSON |
/// | `momentum.adaptiveClipping` | an `AdaptiveLimit` with its statistics in JSON |
///
/// Keys that do not begin with `momentum.` are left to others.
public enum StateFile {
  private static let velocityPrefix = "velocity/"
  private static let averagePrefix = "average/"

  /// Writes a file, whole or not at all, from the optimizer's own memory.
  ///
  /// The velocities and averages are folded first, in the optimizer too (`Optimizer.foldVelocity()`): one rounding of each
  /// element, after which it goes on with the same bits as one that loads the file. Saving is part of a run in this sense:
  /// two runs agree bit for bit if they save after the same steps.
  ///
  /// - Throws: ``OptimizerFileError``; the file is then as it was.
  /// - Complexity: O(n) to fold and to write; no copy of a vector.
  public static func save<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: inout Optimizer<Scalar>, to path: String
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) { try writer(path, of: &optimizer).write() }
  }

  /// A file that is yet to be written: before the optimizer's next step, and while it lives.
  package static func writer<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of optimizer: inout Optimizer<Scalar>
  ) throws -> SafetensorsWriter {
    optimizer.foldVelocity()
    optimizer.foldAverage()
    var writer = SafetensorsWriter(path: path, metadata: try StateMetadata.text(of: optimizer))
    for (index, tensor) in optimizer.layout.tensors.enumerated() {
      if optimizer.hasVelocity(ofTensor: index) {
        let values = optimizer.withUnsafeVelocity(ofTensor: index) { $0 }
        try writer.add(velocityPrefix + tensor.name, shape: tensor.shape, values: values)
      }
      if optimizer.hasAverage(ofTensor: index) {
        let values = optimizer.withUnsafeAverage(ofTensor: index) { $0 }
        try writer.add(averagePrefix + tensor.name, shape: tensor.shape, values: values)
      }
    }
    return writer
  }

  /// Replaces the state of an optimizer by that of a file.
  ///
  /// The file must be of the same tensors: every tensor of the optimizer, no other, in its shape and type. A dynamic loss
  /// scale and adaptive clipping come with their settings; where the file has none, the optimizer's stay.
  ///
  /// - Throws: ``OptimizerFileError``; the optimizer is then unchanged.
  /// - Complexity: O(n). The state that is replaced is let go when the new one is complete.
  public static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) {
      let file = try SafetensorsFile(path: path)
      let layout = optimizer.layout
      let state: OptimizerState<Scalar> = try StateMetadata(of: file).state(layout)
      let velocities = TensorSelection(file, velocityPrefix, state.velocities.map(\.isSet))
      let averages = TensorSelection(file, averagePrefix, state.averages.map { $0.count > 0 })
      let known = velocities.names(layout).union(averages.names(layout))
      if let tensor = file.tensors.first(where: { !known.contains(ExactText($0.name)) }) {
        throw OptimizerFileError(file: path, tensor: tensor.name, reason: .unexpectedTensor)
      }
      try optimizer.restore(
        state, directions: velocities.buffers(layout), averages: averages.buffers(layout),
        confirm: { try file.checkUnchanged() })
      // The buffers point into the file.
      withExtendedLifetime(file) {}
    }
  }
}
