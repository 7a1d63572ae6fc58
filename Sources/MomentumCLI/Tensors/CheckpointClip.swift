import Momentum
import MomentumFiles

/// The clips of a checkpoint of gradients, file by file, by the norm of all.
struct CheckpointClip {
  let gradients: CheckpointTensors
  let settings: ClipSettings
  /// A limit of the norm of all, and that norm, where nothing else is to be clipped or measured.
  let givenNorm: (limit: Double, norm: Double)?
  /// A limit of the spectral norms of matrices, after all else.
  let spectralLimit: SpectralLimit?
  let outputType: OutputType
  let threads: Int?

  /// Clips and writes all files.
  ///
  /// - Returns: The reports of all parts, one at least, and what became of the matrices, if their norms have a limit.
  func run(into output: CheckpointOutput) throws -> (reports: [ClipReport], matrices: ClippedMatrices?) {
    let shards = try gradients.shards().map { try parts(of: $0) }
    let measuring = ShardProgress(gradients.set, "measuring")
    let norms = try norms(of: shards.flatMap(\.self), measuring)
    if norms != nil { measuring.finish() }
    var reports: [ClipReport] = []
    var matrices = spectralLimit.map { _ in ClippedMatrices() }
    lazy var progress = ShardProgress(gradients.set)
    for (number, parts) in shards.enumerated() {
      var widened: [WidenedTensors] = []
      for part in parts {
        var part = part
        if outputType.widens(part.tensors.dtypes[0]) {
          let copies = try WidenedTensors(part.tensors)
          widened.append(copies)
          part = ClipPart(part.tensors, copies.buffers, settings, threads, areWidened: true)
        }
        let own = try clip(part, norms, measuring)
        if let spectralLimit, !own.wasSkipped {
          matrices?.add(try gradients.naming { try part.clipMatrices(spectralLimit) })
        }
        reports.append(own)
      }
      if norms == nil, givenNorm == nil, !parts.isEmpty { measuring.finish() }
      try output.add(number, of: gradients, replacing: widened.reduce(into: [:]) { $1.add(to: &$0) }) {
        progress.advance($0, ofFile: number)
      }
      withExtendedLifetime(widened) {}
      gradients.set.files[number].discardChanges()
      progress.finished(number)
    }
    progress.finish()
    if reports.isEmpty { reports = [try clip(ClipPart(gradients, settings, threads: threads), nil, measuring)] }
    return (reports, matrices)
  }

  /// The parts of one file: its tensors of each type.
  private func parts(of shard: CheckpointTensors) throws -> [ClipPart] {
    guard !shard.tensors.isEmpty else { return [] }
    return try shard.dtypes.map { dtype in
      try ClipPart(shard.only { $0.tensor.dtype == dtype }, settings, threads: threads)
    }
  }

  /// What all parts measure; `nil` if there is nothing to measure before a part is clipped.
  private func norms(of parts: [ClipPart], _ measuring: ShardProgress) throws -> RecordedNorms? {
    let areWidened = parts.contains { outputType.widens($0.tensors.dtypes[0]) }
    guard givenNorm == nil, parts.count > 1 || areWidened else { return nil }
    return try gradients.naming { () throws(MomentumError) in
      try RecordedNorms(parts: parts.count) { part in
        // Nothing has been changed by then.
        gradients.release(of: parts[part].tensors)
      } _: { part, exchange throws(MomentumError) in
        _ = try parts[part].clip(exchange, measuring.elements(of: parts[part].tensors))
      }
    }
  }

  /// - Parameter measuring: Shows how far a part has come that has not been measured yet.
  private func clip(_ part: ClipPart, _ norms: RecordedNorms?, _ measuring: ShardProgress) throws -> ClipReport {
    try gradients.naming { () throws(MomentumError) in
      if let givenNorm { return try part.clipByGivenNorm(givenNorm.limit, givenNorm.norm) }
      return try part.clip(norms?.exchange(), norms == nil ? measuring.elements(of: part.tensors) : nil)
    }
  }
}

/// How clipped tensors are stored.
enum OutputType: String, CaseIterable {
  /// Each in its own type.
  case same
  /// Those in half precision as F32: clipped as such, and not rounded to half precision.
  case f32

  /// Whether tensors of a type are stored in a wider one.
  func widens(_ dtype: SafetensorsDtype) -> Bool { self == .f32 && dtype.isHalf }
}

/// Copies of tensors in half precision as Floats.
final class WidenedTensors {
  let buffers: [UnsafeMutableBufferPointer<Float>]
  private let tensors: [SafetensorsTensor]
  private let copies: [SharedMemory]

  /// - Parameter tensors: Of half precision, all of one type.
  /// - Throws: Also ``DataFileError`` if there is no memory for the copies.
  init(_ tensors: CheckpointTensors) throws {
    let own = tensors.tensors.map(\.tensor)
    self.tensors = own
    copies = try tensors.naming { () throws(MomentumError) in
      try own.map { tensor throws(MomentumError) in try SharedMemory(of: Float.self, count: tensor.count) }
    }
    buffers = copies.map { $0.elements(as: Float.self) }
    for (halves, copy) in zip(try tensors.tensorBuffers(), buffers) { try halves.widen(into: copy) }
  }

  /// Adds the copies to what is written in the place of tensors.
  func add(to replacements: inout CheckpointOutput.Replacements) {
    for (tensor, buffer) in zip(tensors, buffers) { replacements[tensor] = (.f32, UnsafeRawBufferPointer(buffer)) }
  }
}
