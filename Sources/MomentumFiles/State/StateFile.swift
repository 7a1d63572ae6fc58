public import Momentum

/// The memory of an optimizer between steps, in a safetensors file.
///
/// ```swift
/// try StateFile.save(optimizer, to: "state.safetensors")
/// // later, in an optimizer with the same settings and the same tensors:
/// try StateFile.load("state.safetensors", into: &resumed)
/// ```
///
/// A run that is resumed so goes on bit for bit as one that was never interrupted, and saving leaves no trace in a run.
/// Settings are not part of the file: rules, groups, clips and averaging come from the optimizer that loads. Schedules
/// go by the number of steps taken, which is in it. Parameters are not in it either: a ``Checkpoint`` holds them with the
/// state. ``migrate(_:into:parts:)`` takes on the state of a model that has got more tensors or lost some.
///
/// A file says which ``Parts`` it holds. With both it is exact: for each tensor NAME that has them it holds the tensors
/// `velocity/NAME` and `average/NAME`, which are the optimizer's own vectors, and their scales in the metadata. A file
/// of one part is for other programs: it holds NAME itself, multiplied by its scale, so that a velocity is a file as
/// they have them and an average is a model. This rounds each element once at most, in the file alone. Tensors are of
/// the optimizer's type and the parameter's shape; `velocity/NAME` is `BF16` if the optimizer stores its velocity so. An
/// optimizer of `Float` reads velocities of both types: it widens them exactly, or rounds them once. All metadata are text:
///
/// | key | value | part |
/// |---|---|---|
/// | `momentum.stateFormat` | `3` | |
/// | `momentum.parts` | `velocity average`, `velocity` or `average` | |
/// | `momentum.step` | how many steps have been taken | velocity |
/// | `momentum.lastStepClipped` | `true` or `false` | velocity |
/// | `momentum.lossScale` | a dynamic `LossScale` in JSON | velocity |
/// | `momentum.adaptiveClipping` | an `AdaptiveLimit` with its statistics in JSON | velocity |
/// | `momentum.velocities` | the form and the scale of each velocity, and the steps of a second moment | velocity |
/// | `momentum.averages` | how many steps each average has, and its scale | average |
/// | `momentum.otherTensors` | the tensors without any vector in the file, in JSON; none if it is missing | |
/// | `momentum.checkpoint` | `1` in a ``Checkpoint``, which also holds the parameters; missing in others | |
///
/// Velocities and averages are listed in the order of the bytes of the tensors' names, equal neighbours once behind
/// their number: `2 withoutLearningRate 0x1.8p+11, 1 withLearningRate 0x1p+0`, and `3 17 0x1.e2p+7` for three averages
/// of 17 steps. A scale is exact, in hexadecimal, and a vector stands for its product with it. Where a tensor has a second
/// moment (`AdamW`), the number of its steps stands behind the scale of its velocity, and the elements are those of
/// `secondMoment/NAME`, whatever parts the file holds beside the velocity.
///
/// Keys that do not begin with `momentum.` are left to others. Files of earlier formats are read as well: states of
/// formats 1 and 2, and the files of velocities and of averages that the command of version 0.1 wrote.
public enum StateFile {
  /// Before the names of the parameters whose second moments a file holds, with its velocities.
  static let secondMomentPrefix = "secondMoment/"

  /// Writes a file, whole or not at all, from the optimizer's own memory. The optimizer stays as it is.
  ///
  /// - Parameters:
  ///   - optimizer: What remembers.
  ///   - path: Where the file goes.
  ///   - parts: What the file is to hold, at least one part. With both parts it is exact; with one it holds the vectors
  ///     multiplied by their scales, one rounding of each element.
  /// - Throws: ``OptimizerFileError``; the file is then as it was.
  /// - Complexity: O(n); no copy of a vector.
  public static func save<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: borrowing Optimizer<Scalar>, to path: String, parts: Parts = .all
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) { try writer(path, of: optimizer, parts: parts).write() }
  }

  /// A file that is yet to be written: before the optimizer's next step, and while it lives.
  ///
  /// - Parameters:
  ///   - passed: What it is to hold besides, of tensors that the optimizer does not have.
  ///   - isOutline: Whether it is the plan of a file whose vectors are written by others; see ``TensorStream``.
  package static func writer<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of optimizer: borrowing Optimizer<Scalar>, passing passed: PassedState<Scalar>? = nil,
    parts: Parts = .all, isOutline: Bool = false
  ) throws -> SafetensorsWriter {
    let parts = checked(parts)
    let areFolded = parts != .all
    var writer = SafetensorsWriter(
      path: path, metadata: try StateMetadata.text(of: optimizer, passing: passed, parts, areFolded: areFolded))
    writer.isOutline = isOutline
    try passed?.add(to: &writer, parts)
    let velocityPrefix = parts.prefix(of: .velocity)
    let averagePrefix = parts.prefix(of: .average)
    if parts.contains(.velocity) {
      for (index, tensor) in optimizer.layout.tensors.enumerated() where optimizer.hasSecondMoment(ofTensor: index) {
        let values = optimizer.storedSecondMoment(ofTensor: index)
        try writer.add(secondMomentPrefix + tensor.name, shape: tensor.shape, values: values)
      }
    }
    for (index, tensor) in optimizer.layout.tensors.enumerated() {
      if parts.contains(.velocity), optimizer.hasVelocity(ofTensor: index) {
        let name = velocityPrefix + tensor.name
        if areFolded {
          try writer.add(name, shape: tensor.shape, elements: optimizer.velocity(ofTensor: index))
        } else {
          try writer.add(name, shape: tensor.shape, stored: optimizer.storedVelocity(ofTensor: index))
        }
      }
      if parts.contains(.average), optimizer.hasAverage(ofTensor: index) {
        let name = averagePrefix + tensor.name
        if areFolded {
          try writer.add(name, shape: tensor.shape, elements: optimizer.average(ofTensor: index))
        } else {
          try writer.add(name, shape: tensor.shape, values: optimizer.storedAverage(ofTensor: index))
        }
      }
    }
    return writer
  }

  /// Replaces the state of an optimizer, or a part of it, by that of a file.
  ///
  /// The file must be of the same tensors: every tensor of the optimizer, no other, in its shape and type. Their order
  /// does not matter, because the file has them by name. All velocities and averages must be finite. A dynamic loss
  /// scale and adaptive clipping come with their settings; where the file has none, the optimizer's stay.
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
    try load(path, into: &optimizer, parts: parts, withVectors: true)
  }

  /// - Parameter withVectors: Whether velocities and averages are read, and not only what the metadata say of them. Without
  ///   them the optimizer can measure a step, and cannot take it.
  package static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parts: Parts = .all, withVectors: Bool
  ) throws(OptimizerFileError) {
    let parts = checked(parts)
    try OptimizerFileError.naming(path) {
      try take(SafetensorsFile(path: path), into: &optimizer, parts: parts, withVectors: withVectors)
    }
  }

  /// Takes the state, or parts of it, out of an open file.
  static func take<Scalar: BLASScalar & SafetensorsScalar>(
    _ file: SafetensorsFile, into optimizer: inout Optimizer<Scalar>, parts: Parts, withVectors: Bool = true
  ) throws {
    try StoredState(file, of: optimizer, parts: parts).restore(into: &optimizer, withVectors: withVectors)
  }

  /// Only parts that there are.
  static func checked(_ parts: Parts) -> Parts {
    let known = parts.intersection(.all)
    precondition(!known.isEmpty, "no part of the state was named; expected velocity, average or both")
    return known
  }
}

extension SafetensorsWriter {
  /// Adds a tensor as an optimizer has it in memory.
  mutating func add(_ name: String, shape: [Int], stored: TensorBuffer) throws(SafetensorsError) {
    let dtype: SafetensorsDtype =
      switch stored.elementType {
      case .float32: .f32
      case .float64: .f64
      case .bfloat16: .bf16
      case .float16: .f16
      }
    try add(name, dtype: dtype, shape: shape, bytes: stored.bytes)
  }

  /// Adds a tensor whose elements are multiplied while the file is written.
  mutating func add<Scalar: BLASScalar & SafetensorsScalar>(
    _ name: String, shape: [Int], elements: ScaledElements<Scalar>
  ) throws(SafetensorsError) {
    try add(name, dtype: Scalar.dtype, shape: shape) { emit throws(SafetensorsError) in
      try elements.forEachPiece { piece throws(SafetensorsError) in try emit(UnsafeRawBufferPointer(piece)) }
    }
  }
}
