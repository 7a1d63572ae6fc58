/// The loop of a program, with the factors of the step, and those of its loops that do something else beside.
struct ProgramLoop<Scalar: BLASScalar> {
  private let plain: FusedLoop<Scalar>
  private let speculative: SpeculativeLoop<Scalar>?
  private let clamping: ClampingLoop<Scalar>?
  private let factors: UnsafePointer<Scalar>

  /// The number of factors: one for each operation, then the bounds.
  static var factorCount: Int { 2 * ProgramSignature.longest }

  /// - Parameter factors: ``factorCount`` numbers, which stay where they are.
  @inline(__always)
  init(
    _ plain: FusedLoop<Scalar>, speculative: SpeculativeLoop<Scalar>? = nil, clamping: ClampingLoop<Scalar>? = nil,
    _ factors: UnsafeMutablePointer<Scalar>
  ) {
    (self.plain, self.speculative, self.clamping, self.factors) = (plain, speculative, clamping, UnsafePointer(factors))
  }

  /// Whether the program has a ``SpeculativeLoop``.
  var canSpeculate: Bool { speculative != nil }
  /// Whether the program has a ``ClampingLoop``.
  var canClamp: Bool { clamping != nil }

  /// Runs the loop on n elements, from a position on.
  @inline(__always)
  func run(_ places: OperandPlaces<Scalar>, at position: Int, _ n: Int, _ order: PassOrder) {
    places.withAddresses(at: position) { plain.run($0, factors, n, order) }
  }

  /// Runs the loop that updates piece by piece, on n elements; see ``SpeculativeLoop/run(_:_:_:piece:upTo:_:into:)``.
  @inline(__always)
  func runSpeculatively(
    _ places: OperandPlaces<Scalar>, at position: Int, _ n: Int, piece: Int, upTo largestSum: Double,
    _ sum: inout Double, into tiles: UnsafeMutablePointer<Scalar>
  ) -> Int {
    places.withAddresses(at: position) {
      speculative.unsafelyUnwrapped.run($0, factors, n, piece: piece, upTo: largestSum, &sum, into: tiles)
    }
  }

  /// Runs the loop that also sums what it clamps, on n elements; see ``ClampingLoop/run(_:_:_:into:)``.
  @inline(__always)
  func runClamping(
    _ places: OperandPlaces<Scalar>, at position: Int, _ n: Int, into tiles: UnsafeMutablePointer<Scalar>
  ) -> Int {
    places.withAddresses(at: position) { clamping.unsafelyUnwrapped.run($0, factors, n, into: tiles) }
  }
}

// Of pointers, because a method of a program would get a copy of all of it.
extension UnsafePointer<StepProgram> {
  /// Finds the program's number among those of loops, and writes the factors that its loop needs.
  ///
  /// - Parameter factors: Memory for ``ProgramLoop/factorCount`` numbers.
  /// - Returns: `nil` for a program that no loop computes: it is too long, has an operation that loops do not know, or a
  ///   factor that the element type cannot hold.
  @inline(__always)
  func signature<Scalar: BLASScalar>(writing factors: UnsafeMutablePointer<Scalar>) -> ProgramSignature? {
    guard let signature = pointee.signature else { return nil }
    for position in 0..<pointee.count {
      let instruction = pointee.instruction(at: position)
      let factor = Scalar(instruction.factor.double)
      guard instruction.takes(factor) else { return nil }
      factors[position] = factor
      factors[position &+ ProgramSignature.longest] = Scalar(instruction.upper)
    }
    return signature
  }

  /// Whether it is one of the short programs that take as long as memory takes to deliver their vectors, as BLAS calls no
  /// less than as one loop.
  fileprivate var isPlain: Bool {
    guard pointee.count <= 2 else { return false }
    for position in 0..<pointee.count {
      guard pointee.instruction(at: position).kind == .axpy else { return false }
    }
    return true
  }
}

extension StepKernels {
  /// Whether a program is run as a loop if it has one.
  ///
  /// - Parameters:
  ///   - cacheBytes: `.max` where all vectors stay in a cache; see ``StepKernels/automatic``.
  ///   - canSpeculate: Whether the step takes one pass, by a ``SpeculativeLoop``.
  @inline(__always)
  func takesLoop(of program: UnsafePointer<StepProgram>, cacheBytes: Int, canSpeculate: Bool) -> Bool {
    prefersLoops && (self == .fused || cacheBytes == .max || canSpeculate || !program.isPlain)
  }
}
