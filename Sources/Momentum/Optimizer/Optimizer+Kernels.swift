// The way to run the programs of steps.
extension Optimizer {
  /// How steps run their programs, as calls of BLAS or as one loop each, and sum the squares of gradients, as a dot product
  /// for each tile or as a loop over several (``BLAS/Behavior/floatNormLoop``). The bits are the same either way; by default
  /// what is faster.
  public var kernels: StepKernels {
    get { table.kernels }
    set { table.kernels = newValue }
  }

  /// Whether the last step ran all its programs as loops; see ``lastPrograms``.
  public var lastStepWasFused: Bool {
    guard programs.count > 0 else { return false }
    return lastHalvesWereFused
      ?? programs.all.allSatisfy {
        kernels.fuses($0, Scalar.self, cacheBytes: table.cacheBytes, speculates: lastStepSpeculated)
      }
  }
}
