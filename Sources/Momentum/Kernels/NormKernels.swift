internal import Synchronization

/// The way to run what no step asks for, whose optimizer has ``Optimizer/kernels`` of its own: norms and clips
/// by themselves. The bits are the same.
package enum NormKernels {
  private static let word = Atomic<UInt8>(0)

  /// The way of this process, for benchmarks and tests. In cache a norm takes a fraction of a microsecond, so it is read from a
  /// word.
  package static var current: StepKernels {
    @inline(__always) get {
      switch word.load(ordering: .relaxed) {
      case 1: .blas
      case 2: .fused
      default: .automatic
      }
    }
    set {
      let number: UInt8 =
        switch newValue {
        case .automatic: 0
        case .blas: 1
        case .fused: 2
        }
      word.store(number, ordering: .relaxed)
    }
  }

  /// Whether norms are summed by loops.
  package static func useLoops<S: BLASScalar>(_: S.Type) -> Bool {
    current.prefersLoops && BLASTraits.squaresVariant(S.self) != nil
  }
}
