import Momentum
import MomentumFiles

/// The tensors of a file of gradients, clipped where they are: those of each element type by calls of their own, by the
/// norm of all.
struct ClipOwners {
  /// The calls for the tensors of one type.
  private struct Owner: @unchecked Sendable {  // each is called by one thread
    let clip: ((any NormExchange)?) throws(MomentumError) -> ClipReport
    let clipByGivenNorm: (_ limit: Double, _ norm: Double) throws(MomentumError) -> ClipReport
  }

  /// In the order of the types' first tensors, and so are their errors.
  private let owners: [Owner]

  init(_ gradients: TensorFile, _ settings: ClipSettings, threads: Int?) throws {
    owners = try gradients.dtypes.map { dtype in
      switch dtype {
      case .f64: try Self.owner(gradients, as: Double.self, settings, threads)
      case .bf16: try Self.owner(gradients, ofHalf: BFloat16.self, settings, threads)
      #if !(os(macOS) && arch(x86_64))
        case .f16: try Self.owner(gradients, ofHalf: Float16.self, settings, threads)
      #endif
      default: try Self.owner(gradients, as: Float.self, settings, threads)
      }
    }
  }

  /// Clips by what the settings say.
  func clip() throws(MomentumError) -> ClipReport {
    guard owners.count > 1 else { return try owners[0].clip(nil) }
    let owners = owners
    return try ThreadExchange.run(owners: owners.count) { owner, exchange throws(MomentumError) in
      try owners[owner].clip(exchange)
    }[0]
  }

  /// Clips by a norm that is known.
  func clip(byGlobalNorm limit: Double, givenNorm norm: Double) throws(MomentumError) -> ClipReport {
    var reports: [ClipReport] = []
    for owner in owners { reports.append(try owner.clipByGivenNorm(limit, norm)) }
    // A coefficient may round to 1 in one type alone.
    return reports.first { $0.wasClipped } ?? reports[0]
  }

  private static func owner<Scalar: BLASScalar & SafetensorsScalar>(
    _ gradients: TensorFile, as type: Scalar.Type, _ settings: ClipSettings, _ threads: Int?
  ) throws -> Owner {
    let part = gradients.part(type)
    let (buffers, names, shapes) = (
      try part.mutableBuffers(as: type), part.tensors.map(\.name), part.tensors.map(\.shape)
    )
    return Owner { exchange throws(MomentumError) in
      if let exchange {
        return try Gradients.clip(
          buffers, by: settings.clipping, names: names, shapes: shapes, convention: settings.convention,
          nonFinitePolicy: settings.policy, threads: threads, exchange: exchange)
      }
      return try Gradients.clip(
        buffers, by: settings.clipping, names: names, shapes: shapes, convention: settings.convention,
        nonFinitePolicy: settings.policy, threads: threads)
    } clipByGivenNorm: { limit, norm throws(MomentumError) in
      try Gradients.clip(
        buffers, byGlobalNorm: limit, givenNorm: norm, convention: settings.convention, threads: threads)
    }
  }

  private static func owner<Half: HalfScalar & SafetensorsScalar>(
    _ gradients: TensorFile, ofHalf type: Half.Type, _ settings: ClipSettings, _ threads: Int?
  ) throws -> Owner {
    let part = gradients.part(type)
    let (buffers, names, shapes) = (
      try part.mutableBuffers(as: type), part.tensors.map(\.name), part.tensors.map(\.shape)
    )
    return Owner { exchange throws(MomentumError) in
      if let exchange {
        return try Gradients.clip(
          buffers, by: settings.clipping, names: names, shapes: shapes, convention: settings.convention,
          nonFinitePolicy: settings.policy, threads: threads, exchange: exchange)
      }
      return try Gradients.clip(
        buffers, by: settings.clipping, names: names, shapes: shapes, convention: settings.convention,
        nonFinitePolicy: settings.policy, threads: threads)
    } clipByGivenNorm: { limit, norm throws(MomentumError) in
      try Gradients.clip(
        buffers, byGlobalNorm: limit, givenNorm: norm, convention: settings.convention, threads: threads)
    }
  }
}
