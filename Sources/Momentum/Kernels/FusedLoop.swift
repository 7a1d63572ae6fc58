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
    _ operands: UnsafePointer<UnsafeMutablePointer<Scalar>?>, _ factors: UnsafePointer<Scalar>, _ n: Int,
    _ order: PassOrder
  ) {
    Scalar._runFused(address, operands, factors, n, backwards: order == .backwards)
  }
}

/// A loop with its factors and the vectors of a tensor, all but the update.
struct BoundLoop<Scalar: BLASScalar> {
  /// One address for each operand that is a vector.
  private typealias Addresses = InlineArray<6, UnsafeMutablePointer<Scalar>?>

  private let loop: FusedLoop<Scalar>
  private let factors: UnsafePointer<Scalar>
  private let operands: Addresses

  /// - Parameters:
  ///   - factors: See ``FusedLoop/run(_:_:_:_:)``; they stay where they are.
  ///   - operands: The addresses of the tensor's first elements.
  init(
    _ loop: FusedLoop<Scalar>, _ factors: UnsafePointer<Scalar>,
    _ operands: UnsafePointer<UnsafeMutablePointer<Scalar>?>
  ) {
    assert(MOMENTUM_FUSED_COPY.rawValue == Addresses.count)
    (self.loop, self.factors) = (loop, factors)
    self.operands = Addresses { operands[$0] }
  }

  /// Runs the loop on n elements of the tensor, whose update lies elsewhere.
  @inline(__always)
  func run(at position: Int, _ n: Int, update: UnsafePointer<Scalar>) {
    var addresses = Addresses { operands[$0].map { $0 + position } }
    addresses[Int(MOMENTUM_FUSED_UPDATE.rawValue)] = UnsafeMutablePointer(mutating: update)
    withUnsafePointer(to: addresses) {
      $0.withMemoryRebound(to: UnsafeMutablePointer<Scalar>?.self, capacity: Addresses.count) {
        loop.run($0, factors, n, .forwards)
      }
    }
  }
}

extension FusedLoop {
  /// The loop of `x ← factor · x`; `nil` where there is none.
  static var scaling: FusedLoop? {
    var signature = ProgramSignature()
    signature.set(ProgramSignature.code(.scal, into: UInt8(MOMENTUM_FUSED_GRADIENT.rawValue)), at: 0)
    return FusedLoop(signature)
  }

  /// Runs ``scaling`` on n elements: the product of each, rounded once.
  func scale(_ x: UnsafeMutablePointer<Scalar>, by factor: Scalar, _ n: Int, _ order: PassOrder) {
    let (operandCount, factorCount) = (Int(MOMENTUM_FUSED_COPY.rawValue), 2 * ProgramSignature.longest)
    withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Scalar>?.self, capacity: operandCount) { operands in
      operands.initialize(repeating: nil)
      operands[Int(MOMENTUM_FUSED_GRADIENT.rawValue)] = x
      withUnsafeTemporaryAllocation(of: Scalar.self, capacity: factorCount) { factors in
        factors.initialize(repeating: 0)
        factors[0] = factor
        run(UnsafePointer(operands.baseAddress!), UnsafePointer(factors.baseAddress!), n, order)
      }
    }
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
