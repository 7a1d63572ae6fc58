#if MPI
  import Momentum

  /// What makes an optimizer, of a part or of the whole.
  struct OptimizerSettings<Scalar: BLASScalar> {
    let rule: any UpdateRule
    let groups: [ParameterGroup]
    let clipping: GradientClipping
    let nonFinitePolicy: NonFinitePolicy?
    let averaging: WeightAveraging?
    let lossScale: LossScale
    let adaptiveLimit: AdaptiveLimit?
    let velocityType: ElementType?
    let reportsNorms: Bool
    let threads: Int

    func optimizer(_ layout: ParameterLayout, groups: [ParameterGroup]) throws(MomentumError) -> Optimizer<Scalar> {
      try Self.make(rule, self, layout, groups)
    }

    private static func make(
      _ rule: some UpdateRule, _ settings: OptimizerSettings, _ layout: ParameterLayout, _ groups: [ParameterGroup]
    ) throws(MomentumError) -> Optimizer<Scalar> {
      var optimizer = try Optimizer<Scalar>(
        layout, rule: rule, groups: groups, clipping: settings.clipping, nonFinitePolicy: settings.nonFinitePolicy,
        averaging: settings.averaging, lossScale: settings.lossScale, adaptiveLimit: settings.adaptiveLimit,
        velocityType: settings.velocityType, threads: settings.threads)
      optimizer.reportsNorms = settings.reportsNorms
      return optimizer
    }

    /// A number that other settings do not have, by all likelihood: of everything that they store, but for the number of
    /// threads, which is each rank's own.
    var digest: UInt64 {
      var hash = WordHash()
      hash.add("\(Scalar.self)")
      let parts: [Any] = [
        rule, groups, clipping, nonFinitePolicy as Any, averaging as Any, lossScale, adaptiveLimit as Any,
        velocityType as Any, reportsNorms,
      ]
      hash.add(stored: parts)
      return hash.value
    }
  }

  extension Communicator {
    /// Throws on all ranks if the versions of this library or the kernels of BLAS differ, and their bits would.
    func requireSameLibrary() throws(DistributedError) {
      let library = BLAS.LibraryInfo.current
      var hash = WordHash()
      hash.add("\(MomentumVersion.current), \(library.version ?? ""), \(library.coreName ?? "")")
      try requireSame(hash.value, "the versions of swift-momentum or the kernels of BLAS")
    }
  }

  /// Carries what cannot be copied out of a closure.
  final class Box<Value: ~Copyable> {
    private var value: Value?
    init(_ value: consuming Value) { self.value = consume value }
    func take() -> Value { value.take()! }
  }
#endif
