import Foundation
import Momentum
import MomentumFiles

/// The files that a comparison needs to go on: `checkpoint/options.json` and a file a run in the report folder.
///
/// Numbers of a state are kept as their bytes, so that NaN, infinities and the last bit survive. Every file is replaced
/// as a whole; a checkpoint is valid at any moment.
struct TrainingCheckpoint: Sendable {
  /// Version 2 knew no gradients in half precision.
  static let version = 3
  private static let readable = 2...3

  /// The report folder.
  let folder: URL

  private var directory: URL { folder.appendingPathComponent("checkpoint") }
  private var optionsFile: URL { directory.appendingPathComponent("options.json") }
  private func file(_ key: TrainingRunKey) -> URL { directory.appendingPathComponent(key.name + ".json") }

  var exists: Bool { FileManager.default.fileExists(atPath: optionsFile.path) }

  // MARK: Options

  func save(_ options: TrainingOptions) throws {
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try FileReplacement.write(
      Self.encoder.encode(StoredOptions(version: Self.version, options: options)), to: optionsFile.path)
  }

  func options() throws -> TrainingOptions {
    guard exists else { throw DataFileError(file: folder.path, cause: "holds no checkpoint (\(optionsFile.path))") }
    let stored: StoredOptions = try read(optionsFile)
    guard Self.readable.contains(stored.version) else { throw otherVersion(optionsFile, stored.version) }
    if let problem = stored.options.problem {
      throw DataFileError(file: optionsFile.path, cause: problem)
    }
    return stored.options
  }

  // MARK: Runs

  func save(_ state: TrainingState, _ key: TrainingRunKey, _ options: TrainingOptions) throws {
    // Of a run that is over only the history is of use.
    let live = state.history.isFinished(options) ? nil : state
    let stored = StoredRun(
      version: Self.version, key: key, history: StoredHistory(state.history),
      parameters: live.map { ExactArray($0.parameters) }, direction: live.map { ExactArray($0.optimizer.direction) },
      secondMoment: live.flatMap { $0.optimizer.secondMoment.isEmpty ? nil : ExactArray($0.optimizer.secondMoment) },
      velocities: live?.optimizer.velocities, optimizerSteps: live?.optimizer.stepCount,
      lossScale: options.storedGradients == nil ? nil : live?.optimizer.lossScale)
    try FileReplacement.write(Self.encoder.encode(stored), to: file(key).path)
  }

  /// Where a run stopped; `nil` if it never started or is over.
  func state(_ key: TrainingRunKey, _ options: TrainingOptions) throws -> TrainingState? {
    guard let stored = try stored(key, options), let parameters = stored.parameters, let steps = stored.optimizerSteps,
      let direction = stored.direction, let velocities = stored.velocities
    else { return nil }
    var optimizer = try OptimizerState<Float>(options.shape.layout())
    optimizer.stepCount = steps
    optimizer.velocities = velocities
    optimizer.direction = direction.values
    optimizer.secondMoment = stored.secondMoment?.values ?? []
    optimizer.lossScale = stored.lossScale ?? .none
    return TrainingState(history: stored.history.history, parameters: parameters.values, optimizer: optimizer)
  }

  /// The histories of all runs that a folder knows.
  func histories(_ options: TrainingOptions) throws -> [TrainingRunKey: TrainingHistory] {
    guard exists else { return [:] }
    var found: [TrainingRunKey: TrainingHistory] = [:]
    for url in try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
    where url.pathExtension == "json" && url.lastPathComponent != optionsFile.lastPathComponent {
      let stored: StoredRun = try read(url)
      guard let checked = try self.stored(stored.key, options) else {
        throw DataFileError(file: url.path, cause: "is the run \(stored.key.name) under another name")
      }
      found[stored.key] = checked.history.history
    }
    return found
  }

  private func stored(_ key: TrainingRunKey, _ options: TrainingOptions) throws -> StoredRun? {
    let url = file(key)
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    let stored: StoredRun = try read(url)
    guard Self.readable.contains(stored.version) else { throw otherVersion(url, stored.version) }
    if let problem = stored.problem(key, options) { throw DataFileError(file: url.path, cause: problem) }
    return stored
  }

  // MARK: Files

  private static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return encoder
  }

  private func read<T: Decodable>(_ url: URL) throws -> T {
    do {
      return try JSONDecoder().decode(T.self, from: Data(contentsOf: url))
    } catch {
      throw DataFileError(file: url.path, cause: "is not a valid checkpoint file: \(Self.oneLine(error))")
    }
  }

  private static func oneLine(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return error.localizedDescription }
    switch error {
    case .keyNotFound(let key, _): return "\(key.stringValue) is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return (path.isEmpty ? "" : path + ": ") + context.debugDescription.replacing("\n", with: " ")
    @unknown default: return "unreadable"
    }
  }

  private func otherVersion(_ url: URL, _ version: Int) -> DataFileError {
    DataFileError(
      file: url.path,
      cause:
        "has format version \(version); this command reads \(Self.readable.lowerBound) and \(Self.readable.upperBound)")
  }
}

private struct StoredOptions: Codable {
  var version: Int
  var options: TrainingOptions
}

private struct StoredHistory: Codable {
  var losses, gradientNorms, testLosses, testAccuracies: ExactArray<Double>
  var clipped: [Bool]
  var skippedCount: Int?
  var divergedAtStep: Int?

  init(_ history: TrainingHistory) {
    losses = ExactArray(history.losses)
    gradientNorms = ExactArray(history.gradientNorms)
    testLosses = ExactArray(history.testLosses)
    testAccuracies = ExactArray(history.testAccuracies)
    clipped = history.clipped
    skippedCount = history.skippedCount
    divergedAtStep = history.divergedAtStep
  }

  var history: TrainingHistory {
    TrainingHistory(
      losses: losses.values, gradientNorms: gradientNorms.values, clipped: clipped, testLosses: testLosses.values,
      testAccuracies: testAccuracies.values, skippedCount: skippedCount ?? 0, divergedAtStep: divergedAtStep)
  }
}

private struct StoredRun: Codable {
  var version: Int
  var key: TrainingRunKey
  var history: StoredHistory
  var parameters, direction, secondMoment: ExactArray<Float>?
  var velocities: [VelocityState]?
  var optimizerSteps: Int?
  var lossScale: LossScale?

  /// The reason why this file is unusable for the run, in words.
  func problem(_ key: TrainingRunKey, _ options: TrainingOptions) -> String? {
    guard self.key == key else { return "holds the run \(self.key.name); expected \(key.name)" }
    let history = history.history
    let steps = history.stepCount
    guard history.gradientNorms.count == steps, history.clipped.count == steps,
      history.testLosses.count == history.epochCount, history.epochCount <= options.epochs,
      (0...steps).contains(history.skippedCount)
    else { return "holds lists of different lengths" }
    guard history.isFinished(options) == (parameters == nil) else {
      return history.isFinished(options) ? "is over but holds parameters" : "is not over but holds no parameters"
    }
    guard let count = try? options.shape.layout().count, let parameters, let direction else { return nil }
    // Momentum 0 has no direction.
    guard parameters.values.count == count, [0, count].contains(direction.values.count) else {
      return
        "holds \(parameters.values.count) parameters and a direction of \(direction.values.count); expected \(count)"
    }
    // A step that was skipped is none of the optimizer's.
    let taken = steps - history.skippedCount
    return optimizerSteps == taken ? nil : "has \(taken) losses of steps but \(optimizerSteps ?? 0) optimizer steps"
  }
}

/// An array that Codable keeps as its bytes, little-endian.
private struct ExactArray<Element: BLASScalar>: Codable {
  var values: [Element]

  init(_ values: [Element]) { self.values = values }

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let data = try container.decode(Data.self)
    let size = MemoryLayout<Element>.size
    guard data.count.isMultiple(of: size) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "\(data.count) bytes are no whole numbers")
    }
    values = [Element](unsafeUninitializedCapacity: data.count / size) { buffer, count in
      count = data.copyBytes(to: buffer) / size
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(values.withUnsafeBytes { Data($0) })
  }
}
