import Foundation
import Momentum
import MomentumFiles

/// The velocity as a file: tensors of the parameters' names, and in the metadata what is needed to go on exactly as if the
/// run had not stopped.
enum VelocityFile {
  private static let formatKey = "momentum.format"
  private static let formatVersion = "1"
  private static let stepKey = "momentum.step"
  private static let clippedKey = "momentum.lastStepClipped"
  private static let conventionKey = "momentum.convention"
  /// What is adapted from step to step, as JSON.
  private static let lossScaleKey = "momentum.lossScale"
  private static let adaptiveKey = "momentum.adaptiveClipping"
  /// Before the name of a tensor whose rule keeps the learning rate elsewhere than the convention has it.
  private static let learningRateKeyPrefix = "momentum.keepsLearningRate."

  /// Gives an optimizer the velocity of a file.
  static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parameters: TensorFile
  ) throws {
    let velocity = try TensorFile(path)
    let tensors = try parameters.matching(velocity, as: Scalar.self)
    let metadata = velocity.file.metadata
    if let format = metadata[formatKey], format != formatVersion {
      throw DataFileError(file: path, cause: "\(formatKey) is '\(format)'; expected '\(formatVersion)'")
    }
    var written: Convention?
    if let name = metadata[conventionKey] {
      written = Convention(rawValue: name)
      if written == nil {
        throw DataFileError(file: path, cause: "\(conventionKey) is '\(name)', which is no convention")
      }
    }
    if optimizer.lossScale.growth != nil, let saved: LossScale = try state(lossScaleKey, velocity) {
      guard saved.growth == optimizer.lossScale.growth else { throw otherSettings(lossScaleKey, path) }
      optimizer.lossScale = saved
    }
    if let adaptive = optimizer.adaptiveLimit, let saved: AdaptiveLimit = try state(adaptiveKey, velocity) {
      guard saved.withoutHistory == adaptive.withoutHistory else { throw otherSettings(adaptiveKey, path) }
      optimizer.adaptiveLimit = saved
    }
    if let text = metadata[stepKey] {
      guard let step = Int(text), step >= 0 else {
        throw DataFileError(file: path, cause: "\(stepKey) is '\(text)'; expected a whole number >= 0")
      }
      let clipped = metadata[clippedKey] ?? "false"
      guard let lastStepClipped = Bool(clipped) else {
        throw DataFileError(file: path, cause: "\(clippedKey) is '\(clipped)'; expected true or false")
      }
      try optimizer.resume(stepCount: step, lastStepClipped: lastStepClipped)
    }
    try withExtendedLifetime(velocity) {
      for (index, values) in tensors.enumerated() {
        guard let values else { continue }
        try optimizer.setVelocity(ofTensor: index, values)
        guard let written else { continue }
        let name = parameters.tensors[index].name
        let keeps = metadata[learningRateKeyPrefix + name].map { $0 == "true" } ?? written.keepsLearningRateInVelocity
        guard keeps == optimizer.keepsLearningRateInVelocity(ofTensor: index) else {
          throw DataFileError(
            file: path,
            cause: """
              the velocity of tensor '\(name)', written under the \(written) convention, \
              \(keeps ? "holds the learning rate" : "does not hold the learning rate"); that of this rule \
              \(keeps ? "does not" : "does")
              """)
        }
      }
    }
  }

  /// Gives an optimizer the velocity of a file that another library wrote.
  static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of convention: Convention, into optimizer: inout Optimizer<Scalar>
  ) throws {
    if let key = try SafetensorsFile(path: path).metadata.keys.filter({ $0.hasPrefix("momentum.") }).min() {
      throw DataFileError(
        file: path, cause: "has \(key) in its metadata, which say what it is; expected none with --velocity-convention")
    }
    try VelocityExchange(of: convention).read(path, into: &optimizer)
  }

  /// What a run that goes on needs besides the velocity, `nil` if the file has none.
  private static func state<State: Decodable>(_ key: String, _ file: TensorFile) throws -> State? {
    guard let text = file.file.metadata[key] else { return nil }
    do {
      return try JSONDecoder().decode(State.self, from: Data(text.utf8))
    } catch let error as DecodingError {
      throw DataFileError(file: file.path, cause: "\(key): \(error.explanation)")
    }
  }

  private static func otherSettings(_ key: String, _ path: String) -> DataFileError {
    DataFileError(file: path, cause: "\(key) has other settings than this run; expected the same ones")
  }

  private static func text(_ state: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(state), as: UTF8.self)
  }

  /// Prepares the file of an optimizer's velocity: of the tensors that have one.
  static func writer<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of optimizer: inout Optimizer<Scalar>, convention: Convention
  ) throws -> SafetensorsWriter {
    var writer = SafetensorsWriter(
      path: path,
      metadata: [
        formatKey: formatVersion, stepKey: String(optimizer.stepCount),
        clippedKey: String(optimizer.lastStepClipped), conventionKey: convention.rawValue,
      ])
    if optimizer.lossScale.growth != nil { writer.metadata[lossScaleKey] = try text(optimizer.lossScale) }
    if let adaptive = optimizer.adaptiveLimit { writer.metadata[adaptiveKey] = try text(adaptive) }
    let layout = optimizer.layout
    for (index, tensor) in layout.tensors.enumerated() where optimizer.hasVelocity(ofTensor: index) {
      let keeps = optimizer.keepsLearningRateInVelocity(ofTensor: index)
      if keeps != convention.keepsLearningRateInVelocity {
        writer.metadata[learningRateKeyPrefix + tensor.name] = String(keeps)
      }
      // The optimizer's memory outlives the writer, and nothing steps in between.
      let values = optimizer.withUnsafeVelocity(ofTensor: index) { $0 }
      try writer.add(tensor.name, shape: tensor.shape, values: values)
    }
    return writer
  }
}
