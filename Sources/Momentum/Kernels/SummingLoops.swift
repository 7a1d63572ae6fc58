// Loops that add up squares beside a program.

/// A loop that runs a program piece by piece, while the squares of the gradient do not exceed a sum.
struct SpeculativeLoop<Scalar: BLASScalar> {
  private let address: OpaquePointer
  private let variant: Int32

  /// Finds the loop of a program; `nil` where there is none, or where no loop sums squares with the bits of dot.
  @inline(__always)
  init?(_ signature: ProgramSignature) {
    guard BLASTraits.axpyFuses, let variant = BLASTraits.squaresVariant(Scalar.self),
      let address = Scalar._speculativeLoop(variant, signature.number)
    else { return nil }
    (self.address, self.variant) = (address, variant)
  }

  /// Runs the loop on n elements, which begin with a tile; see ``FusedLoop/run(_:_:_:)``.
  ///
  /// It ends before a piece whose dot product is not finite, or would make the sum exceed the largest one.
  ///
  /// - Parameters:
  ///   - piece: The number of elements of a piece.
  ///   - sum: Gets the dot products of the pieces added that it updates.
  ///   - tiles: Gets the dot product of each tile that it updates.
  /// - Returns: The number of elements that it updates.
  @inline(__always)
  func run(
    _ operands: UnsafePointer<UnsafeMutablePointer<Scalar>?>, _ factors: UnsafePointer<Scalar>, _ n: Int, piece: Int,
    upTo largestSum: Double, _ sum: inout Double, into tiles: UnsafeMutablePointer<Scalar>
  ) -> Int {
    Scalar._runSpeculatively(
      address, variant, operands, factors, n, piece: piece, upTo: largestSum, sum: &sum, into: tiles)
  }
}

/// A loop that runs a program which clips by value, and adds up the squares of each tile as the bounds leave its elements.
struct ClampingLoop<Scalar: BLASScalar> {
  private let address: OpaquePointer
  private let variant: Int32

  /// Finds the loop of a program; `nil` as for ``SpeculativeLoop``.
  @inline(__always)
  init?(_ signature: ProgramSignature) {
    guard BLASTraits.axpyFuses, let variant = BLASTraits.squaresVariant(Scalar.self),
      let address = Scalar._clampingLoop(variant, signature.number)
    else { return nil }
    (self.address, self.variant) = (address, variant)
  }

  /// Runs the loop on n elements, which begin with a tile; see ``FusedLoop/run(_:_:_:)``.
  ///
  /// - Parameter tiles: Gets the dot product of each tile.
  /// - Returns: The number of elements that the bounds change.
  @inline(__always)
  func run(
    _ operands: UnsafePointer<UnsafeMutablePointer<Scalar>?>, _ factors: UnsafePointer<Scalar>, _ n: Int,
    into tiles: UnsafeMutablePointer<Scalar>
  ) -> Int {
    Scalar._runClamping(address, variant, operands, factors, n, into: tiles)
  }
}
