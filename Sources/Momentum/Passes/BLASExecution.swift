/// Runs a program on one tile: as BLAS calls, or as loops where BLAS has no routine or its releases disagree.
///
/// This is the one place where the operations of a step become calls. Any other way to run programs must give the same
/// bits.
struct BLASExecution<Scalar: BLASScalar> {
  /// Memory for a tile that is first multiplied by a power of two.
  let scaledTile: UnsafeMutablePointer<Scalar>
  /// Whether a loop stands for axpy, because the one of this BLAS rounds an element in a way that depends on its place.
  let loopsAxpy = BLASTraits.axpyMixesFormulas

  @inline(__always)
  private func axpy(
    _ n: Int, _ factor: Scalar, _ from: UnsafeMutablePointer<Scalar>, into: UnsafeMutablePointer<Scalar>
  ) {
    if loopsAxpy { return ElementLoops.multiplyAdd(factor, from, into: into, n) }
    Scalar._axpy(Int32(truncatingIfNeeded: n), factor, from, 1, into, 1)
  }

  /// Runs the program on n elements of a run, from a position on.
  ///
  /// - Parameters:
  ///   - n: A multiple of ``BLASTraits/granule``.
  ///   - valid: The number of the n elements that belong to the tensor; the others, behind them, are padding.
  @inline(__always)
  func run(_ program: TileProgram<Scalar>, _ run: ProgramRun<Scalar>, at position: Int, _ n: Int, valid: Int) {
    let (operations, count) = (program.operations, program.count)
    for index in 0..<count {
      if operations[index].kind == .axpy {
        axpy(
          n, operations[index].factor, operations[index].source[position], into: operations[index].target[position])
      } else {
        self.run(operations[index], run, at: position, n, valid: valid)
      }
    }
  }

  /// Runs any operation other than the usual axpy.
  @inline(never)
  private func run(
    _ operation: TileProgram<Scalar>.Operation, _ run: ProgramRun<Scalar>, at position: Int, _ n: Int, valid: Int
  ) {
    let (from, into) = (operation.source[position], operation.target[position])
    let blasCount = Int32(truncatingIfNeeded: n)
    switch operation.kind {
    case .axpy: axpy(n, operation.factor, from, into: into)
    case .multiplyAdd:
      var from = from
      if operation.prescale != 0 {
        ElementLoops.scale(from, byPowerOfTwo: operation.prescale, into: scaledTile, n)
        from = scaledTile
      }
      // BLAS rounds once where the processor can; a loop would round twice.
      if operation.factor.isFinite, operation.factor != 0 {
        axpy(n, operation.factor, from, into: into)
      } else {
        ElementLoops.multiplyAdd(operation.factor, from, into: into, n)
      }
    case .scal, .multiply:
      if operation.prescale != 0 { ElementLoops.scale(into, byPowerOfTwo: operation.prescale, into: into, n) }
      if operation.kind == .scal {
        Scalar._scal(blasCount, operation.factor, into, 1)
      } else {
        ElementLoops.multiply(into, by: operation.factor, n)
      }
    case .copy: Scalar._copy(blasCount, from, 1, into, 1)
    case .sign: Scalar._sign(into, n)
    case .averageSquares:
      var from = from
      if operation.prescale != 0 {
        ElementLoops.scale(from, byPowerOfTwo: operation.prescale, into: scaledTile, n)
        from = scaledTile
      }
      Scalar._averageSquares(operation.upper, operation.factor, from, into: into, n)
    case .divideByRoot: Scalar._divideByRoot(of: from, operation.factor, into: into, n)
    case .clearNonFinite: Scalar._clearNonFinite(from, into: into, n)
    case .clamp: Scalar._clamp(from, to: operation.factor, operation.upper, into: into, n)
    case .scaleClippingUnits, .scaleRuleUnits:
      let factors = operation.kind == .scaleRuleUnits ? run.ruleFactors : run.clipFactors
      factors.unsafelyUnwrapped._withUnsafeGuaranteedRef {
        $0.multiply(from, at: run.index + position, into: into, valid)
      }
      if valid < n { (into + valid).update(repeating: 0, count: n - valid) }
    }
  }
}
