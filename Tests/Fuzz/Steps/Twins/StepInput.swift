import Momentum

/// What a step is given: one gradient, or several for an accumulator.
struct StepInput<Scalar: BLASScalar> {
  struct Gradient {
    var elements: [Scalar]
    /// Which tensors have no gradient.
    var isMissing: [Bool]
  }

  enum Kind {
    case direct
    /// By an accumulator; a single gradient that nothing is missing from may also be given directly.
    case accumulated(GradientAccumulator<Scalar>.Reduction, NormAlgorithm)
  }

  var kind: Kind
  var gradients: [Gradient]
}
