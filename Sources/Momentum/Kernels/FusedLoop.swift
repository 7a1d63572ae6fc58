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
  ///   - operands: The addresses of the vectors, in the order of their raw values.
  ///   - factors: The factor of each operation, and from ``ProgramSignature/longest`` on the bounds.
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

/// A program as the number under which its loop is known: what its operations do and to which operand, in order.
struct ProgramSignature {
  /// What an operation does, with the operand that it reads beside the one that it changes.
  enum Verb {
    case axpy(UInt8), assign(UInt8), averageSquares(UInt8), divideByRoot(UInt8)
    case scal, sign, clear, clamp

    @inline(__always)
    var number: UInt32 {
      switch self {
      case .axpy(let from): MOMENTUM_FUSED_AXPY.rawValue + UInt32(from)
      case .assign(let from): MOMENTUM_FUSED_ASSIGN.rawValue + UInt32(from)
      case .averageSquares(let from): MOMENTUM_FUSED_AVERAGE_SQUARES.rawValue + UInt32(from)
      case .divideByRoot(let from): MOMENTUM_FUSED_DIVIDE_BY_ROOT.rawValue + UInt32(from)
      case .scal: MOMENTUM_FUSED_SCAL.rawValue
      case .sign: MOMENTUM_FUSED_SIGN.rawValue
      case .clear: MOMENTUM_FUSED_CLEAR.rawValue
      case .clamp: MOMENTUM_FUSED_CLAMP.rawValue
      }
    }
  }

  /// The largest number of operations of a program that has a loop.
  static var longest: Int { Int(MOMENTUM_FUSED_LONGEST) }
  /// The operand that a filter of the gradient changes for the operations after it only.
  static var copy: UInt8 { UInt8(MOMENTUM_FUSED_COPY.rawValue) }

  /// 0 for a program that does nothing.
  private(set) var number: UInt64 = 0

  /// Sets the operation at a position, which had none.
  @inline(__always)
  mutating func set(_ verb: Verb, into: UInt8, at position: Int) {
    number |= momentum_fused_code(verb.number, UInt32(into)) &<< (8 * UInt64(position))
  }
}
