internal import CMomentumKernels

/// A loop in C that runs a whole program: it reads each vector once, keeps elements in registers while the operations
/// work on them, and writes what they changed.
struct FusedLoop<Scalar: BLASScalar> {
  private let address: OpaquePointer

  /// Finds the loop of a program; `nil` where there is none, or where BLAS rounds an axpy otherwise than a fused
  /// multiply-add does.
  @inline(__always)
  init?(_ signature: ProgramSignature) {
    guard BLASTraits.axpyFuses, let address = Scalar._fusedLoop(signature.number) else { return nil }
    self.address = address
  }

  /// Runs the loop on n elements.
  ///
  /// - Parameters:
  ///   - operands: The addresses of the gradient, the direction, the parameters and the average.
  ///   - factors: The factor of each operation, for a clamp the lower bound, and from
  ///     ``ProgramSignature/longest`` on the upper bounds.
  @inline(__always)
  func run(
    _ operands: UnsafePointer<UnsafeMutablePointer<Scalar>?>, _ factors: UnsafePointer<Scalar>, _ n: Int
  ) {
    Scalar._runFused(address, operands, factors, n)
  }
}

/// What is known of the loops of this processor.
enum FusedLoops {
  /// The vectors that they use, such as `AVX2`; `nil` where there are no loops.
  static var vectors: String? { momentum_fused_vectors().map { String(cString: $0) } }

  /// Whether they are faster than BLAS calls. A debug build leaves the elements in memory.
  @inline(__always)
  static var areOptimized: Bool { momentum_fused_loops_are_optimized() != 0 }
}

/// A program as the number under which its loop is known: the kinds and operands of its operations, in order.
struct ProgramSignature: Equatable {
  enum Kind: UInt32 {
    case axpy, scal, assign, clear, clamp
  }

  /// The largest number of operations of a program that has a loop.
  static var longest: Int { Int(MOMENTUM_FUSED_LONGEST) }

  /// 0 for a program that does nothing.
  private(set) var number: UInt64 = 0
  private var count = 0
  /// Whether all operations could be described.
  private(set) var isComplete = true

  /// Adds an operation; operands by their raw values.
  @inline(__always)
  mutating func append(_ kind: Kind, from: UInt8, into: UInt8) {
    guard count < Self.longest, from < MOMENTUM_FUSED_OPERANDS.rawValue, into < MOMENTUM_FUSED_OPERANDS.rawValue else {
      return fail()
    }
    number |= momentum_fused_code(kind.rawValue, UInt32(from), UInt32(into)) &<< (8 * UInt64(count))
    count &+= 1
  }

  /// Notes an operation that no loop has.
  mutating func fail() { isComplete = false }
}
