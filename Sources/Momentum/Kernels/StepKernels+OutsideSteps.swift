internal import Synchronization

extension StepKernels {
  private static let word = Atomic<UInt8>(0)

  /// The way to run what belongs to no step, whose optimizer has ``Optimizer/kernels`` of its own: norms and clips by
  /// themselves. The bits are the same. For benchmarks and tests; automatic unless they set it.
  ///
  /// In cache a norm takes a fraction of a microsecond, so it is read from a word.
  package static var outsideSteps: StepKernels {
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

  /// Whether norms outside of steps are summed by loops.
  package static func sumsNormsByLoops<S: BLASScalar>(_: S.Type) -> Bool {
    outsideSteps.prefersLoops && BLASTraits.squaresVariant(S.self) != nil
  }
}
