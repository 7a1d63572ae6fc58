// Loops that add up squares beside a program, lane by lane; ``TileSquares`` makes a sum of the lanes.

/// A loop that runs a program on one tile and adds up the squares of the next one, as ``TileSquares`` asks for it.
struct SummingLoop<Scalar: BLASScalar> {
  private let address: OpaquePointer

  /// Finds the loop of a program; `nil` where there is none, or where no loop sums squares with the bits of dot.
  @inline(__always)
  init?(_ signature: ProgramSignature) {
    guard BLASTraits.axpyFuses, let variant = BLASTraits.squaresVariant(Scalar.self),
      let address = Scalar._summingLoop(variant, signature.number)
    else { return nil }
    self.address = address
  }

  /// Runs the loop on n elements; see ``FusedLoop/run(_:_:_:)``.
  ///
  /// - Parameters:
  ///   - next: The first element of the next tile.
  ///   - nextCount: The number of its elements to add up: a multiple of the lanes, and at most as many as n has.
  ///   - lanes: Gets the sum of each lane.
  @inline(__always)
  func run(
    _ operands: UnsafePointer<UnsafeMutablePointer<Scalar>?>, _ factors: UnsafePointer<Scalar>, _ n: Int,
    next: UnsafePointer<Scalar>, _ nextCount: Int, into lanes: UnsafeMutablePointer<Scalar>
  ) {
    Scalar._runSumming(address, operands, factors, n, next: next, nextCount, into: lanes)
  }
}

/// A loop that runs a program which clips by value, and adds up the squares of the gradient as the bounds leave it.
struct ClampingLoop<Scalar: BLASScalar> {
  private let address: OpaquePointer

  /// Finds the loop of a program; `nil` as for ``SummingLoop``.
  @inline(__always)
  init?(_ signature: ProgramSignature) {
    guard BLASTraits.axpyFuses, let variant = BLASTraits.squaresVariant(Scalar.self),
      let address = Scalar._clampingLoop(variant, signature.number)
    else { return nil }
    self.address = address
  }

  /// Runs the loop on n elements, a multiple of the lanes; see ``FusedLoop/run(_:_:_:)``.
  ///
  /// - Parameter lanes: Gets the sum of each lane.
  /// - Returns: The number of elements that the bounds change.
  @inline(__always)
  func run(
    _ operands: UnsafePointer<UnsafeMutablePointer<Scalar>?>, _ factors: UnsafePointer<Scalar>, _ n: Int,
    into lanes: UnsafeMutablePointer<Scalar>
  ) -> Int {
    Scalar._runClamping(address, operands, factors, n, into: lanes)
  }
}
