import Momentum
import MomentumFiles

/// The tensors of one type in one file, clipped where they are in memory.
struct ClipPart: @unchecked Sendable {  // used by one thread at a time
  let tensors: CheckpointTensors
  /// Clips by what the settings say, together with the other parts if there is an exchange, and tells how many more elements
  /// have been measured.
  let clip: (_ exchange: (any NormExchange)?, _ tell: ((Int) -> Void)?) throws(MomentumError) -> ClipReport
  /// Clips by a norm that is known.
  let clipByGivenNorm: (_ limit: Double, _ norm: Double) throws(MomentumError) -> ClipReport
  /// Clips every matrix by its spectral norm.
  let clipMatrices: (SpectralLimit) throws -> ClippedMatrices

  /// - Parameter tensors: Of one type.
  init(_ tensors: CheckpointTensors, _ settings: ClipSettings, threads: Int?) throws {
    self =
      switch tensors.dtypes[0] {
      case .f64: ClipPart(tensors, try tensors.mutableBuffers(as: Double.self), settings, threads)
      case .bf16: ClipPart(tensors, try tensors.mutableBuffers(as: BFloat16.self), settings, threads)
      #if !(os(macOS) && arch(x86_64))
        case .f16: ClipPart(tensors, try tensors.mutableBuffers(as: Float16.self), settings, threads)
      #endif
      default: ClipPart(tensors, try tensors.mutableBuffers(as: Float.self), settings, threads)
      }
  }

  /// - Parameters:
  ///   - buffers: The elements to clip, those of the file or copies of another type.
  ///   - areWidened: Whether they are copies of tensors in half precision.
  init<Scalar: StoredScalar>(
    _ tensors: CheckpointTensors, _ buffers: [UnsafeMutableBufferPointer<Scalar>], _ settings: ClipSettings,
    _ threads: Int?, areWidened: Bool = false
  ) {
    let (names, shapes) = (tensors.tensors.map(\.tensor.name), tensors.tensors.map(\.tensor.shape))
    self.tensors = tensors
    clip = { exchange, tell throws(MomentumError) in
      try Gradients.clip(
        buffers, by: settings.clipping, names: names, shapes: shapes, convention: settings.convention,
        nonFinitePolicy: settings.policy, overflowPolicy: settings.overflow, threads: threads, exchange: exchange,
        tell: tell, measuresPortably: areWidened)
    }
    clipByGivenNorm = { limit, norm throws(MomentumError) in
      try Gradients.clip(
        buffers, byGlobalNorm: limit, givenNorm: norm, convention: settings.convention, threads: threads)
    }
    clipMatrices = { limit in
      var clipped = ClippedMatrices()
      for (index, buffer) in buffers.enumerated() {
        try clipped.clip(names[index], shapes[index], buffer, limit, threads: threads)
      }
      return clipped
    }
  }
}
