/// Finds the largest singular value of a matrix: the Gram matrix `G = X Xᵀ` in `Double`, the largest eigenvalue of G by
/// Lanczos, and a proof by Cholesky that there is no larger one.
struct SpectralSearch {
  private let workspace: MatrixWorkspace<Double>
  private let memory: GramMemory<Double>
  private let crew: TaskCrew<Double>

  init(_ layout: MatrixLayout, threads: Int) throws(MomentumError) {
    workspace = try MatrixWorkspace(CollectionOfOne(layout), threads: threads, squares: 2)
    memory = workspace.memory(for: layout)
    crew = TaskCrew(MatrixWork.team(threads, for: layout), workspace)
  }

  func run<Scalar: BLASScalar>(
    _ base: UnsafePointer<Scalar>, _ layout: MatrixLayout, _ tolerance: Double
  ) throws(MomentumError) -> SpectralNorm {
    let tiles = memory.tiles
    let source = MatrixSource(base, layout, tiles, memory.measures)
    let (frobenius, exponent) = source.multiply(GramProduct(tiles: tiles, gram: memory.gram), crew)
    guard frobenius.isPositive else {
      let value = ScaledDouble(frobenius.largest)
      return SpectralNorm(lower: value, upper: value, iterations: 0)
    }
    let bounds = try bounds(ScaledDouble(frobenius.scaled, exponent: frobenius.exponent + exponent).double, tolerance)
    func scaled(_ square: Double) -> ScaledDouble {
      ScaledDouble(max(square, 0).squareRoot(), exponent: -exponent)
    }
    return SpectralNorm(
      lower: scaled(bounds.lower), upper: scaled(bounds.upper), iterations: bounds.iterations)
  }

  /// Bounds of the largest eigenvalue of `X Xᵀ`.
  ///
  /// With u for the unit roundoff, γ(k) = k·u/(1 - k·u), and ‖X‖ for the Frobenius norm:
  /// - what is computed as G differs from X Xᵀ by at most γ(c)·‖X‖² in norm (Higham 2002, section 3.5);
  /// - the eigenvalues of the Lanczos matrix after k steps are within a few k·r·u of values that vectors give;
  /// - a Cholesky factorisation of A that runs to its end shows that no eigenvalue of A is below -γ(r + 1)/(1 - γ(r + 1))
  ///   times its trace (theorem 10.7).
  private func bounds(
    _ frobenius: Double, _ tolerance: Double
  ) throws(MomentumError) -> (lower: Double, upper: Double, iterations: Int) {
    let (r, c) = (memory.tiles.rows, memory.tiles.columns)
    let unit = Double.ulpOfOne / 2
    func gamma(_ count: Int) -> Double { Double(count) * unit / (1 - Double(count) * unit) }
    let square = frobenius * frobenius * (1 + gamma(r * c))
    let gramError = gamma(c + 2) * square
    var lanczos = try LanczosIteration(memory.gram, most: min(r, 300), crew)
    var tolerance = tolerance
    while true {
      lanczos.run(until: tolerance / 16)
      let largest = lanczos.largest
      let lower = largest * (1 - gamma(16 * (r + lanczos.count))) - gramError
      // The square's relative width is twice that of the norm; half of it is left for what the Lanczos iteration lacks.
      let trial = largest * (1 + tolerance)
      if trial * (1 - unit) >= square { return (lower, square, lanczos.count) }
      if CholeskyFactorization(gram: memory.gram, factor: memory.factor).exists(below: trial, crew) {
        let trace = Double(r) * trial
        let upper = trial * (1 + 4 * unit) + gramError + 2 * gamma(r + 2) * trace
        return (lower, min(upper, square), lanczos.count)
      }
      // There is a larger eigenvalue than the iteration has found so far.
      if !lanczos.canContinue { tolerance *= 4 }
      lanczos.extend()
    }
  }
}
