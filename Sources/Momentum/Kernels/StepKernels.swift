/// The ways to run the operations of a step. The bits of the result are the same.
public enum StepKernels: String, Sendable, Hashable, Codable, CaseIterable {
  /// What is faster. That is a loop where there is one, but for one or two `axpy`s on vectors that do not stay in cache from
  /// step to step: they wait for memory either way, and are calls of BLAS, unless they are behind a transform
  /// (``StepOperation/transform``), or a step in one pass sums its gradient beside them (``StepMode/onePass``). A debug
  /// build, whose loops no compiler has optimised, calls BLAS always.
  case automatic = "auto"
  /// As calls of BLAS, operation by operation, on tiles that stay in cache.
  case blas
  /// As one loop that keeps elements in registers, for every program that has one; others as calls of BLAS.
  ///
  /// The usual steps of this library's rules have a loop, unless a factor is no number of the element type, or each unit
  /// has a factor of its own; ``Optimizer/lastStepWasFused`` tells. A multiple added to a vector is one fused
  /// multiply-add an element: so there are loops only where BLAS fuses as well (``BLAS/Behavior/axpyRounding``).
  case fused

  /// The vectors that the loops of this processor use, such as `AVX2`; `nil` where it has none.
  public static var vectors: String? { FusedLoops.vectors }

  /// Whether programs are run as loops if there are any.
  @inline(__always)
  var prefersLoops: Bool { self == .fused || self == .automatic && FusedLoops.areOptimized }
}
