/// The ways to run the operations of a step; the bits of the result are the same.
public enum StepKernels: String, Sendable, Hashable, Codable, CaseIterable {
  /// The faster way, as measured for each kind of program: see ``ProgramKernels``.
  case automatic = "auto"
  /// As calls of BLAS, operation by operation, on tiles that stay in cache.
  case blas
  /// As one loop that keeps elements in registers, for every program that has one; the others as calls of BLAS.
  case fused
}
