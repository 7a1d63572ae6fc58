internal import Synchronization

/// The way to sum squares where no step asks for them, whose optimizer has a way of its own: in norms and clips by
/// themselves. The bits are the same.
package enum NormKernels: UInt8 {
  /// By loops if a compiler has optimised them.
  case automatic
  /// By one call of BLAS a tile.
  case blas
  /// By loops, wherever they have the bits of BLAS.
  case fused

  private static let choice = Atomic<UInt8>(automatic.rawValue)

  /// The way of this process, for benchmarks and tests.
  package static var current: NormKernels {
    get { NormKernels(rawValue: choice.load(ordering: .relaxed)) ?? .automatic }
    set { choice.store(newValue.rawValue, ordering: .relaxed) }
  }

  /// Whether norms are summed by loops if there are any.
  @inline(__always)
  static var preferLoops: Bool {
    let choice = choice.load(ordering: .relaxed)
    return choice == fused.rawValue || choice == automatic.rawValue && FusedLoops.areOptimized
  }

  /// Whether norms are summed by loops.
  package static func useLoops<S: BLASScalar>(_: S.Type) -> Bool {
    preferLoops && BLASTraits.squaresVariant(S.self) != nil
  }
}
