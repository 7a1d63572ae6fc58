import Momentum

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a program that does nothing about its BLAS gets.
enum BLASUse {
  /// Prints one line: the kernels, who has chosen them and whether others would be better, whether the choice has left
  /// something in the environment, how long the probes took, the threads that steps, orthogonalised matrices and spectral norms
  /// have started besides the engine's own, and whether their results are right.
  static func printReport() throws {
    let variable = getenv("OPENBLAS_CORETYPE") == nil ? "unset" : "set"
    let before = threadCount
    let start = ContinuousClock.now
    let behavior = BLAS.LibraryInfo.current.behavior
    let probes = ContinuousClock.now - start
    precondition(behavior.integerWidth == 32)
    let isRight =
      try stepIsRight() && matrixIsRight(Float.self, within: 1e-4) && matrixIsRight(Double.self, within: 1e-9)
    let library = BLAS.LibraryInfo.current
    print(
      "kernels \(library.coreName ?? "of one kind")",
      BLAS.KernelChoice.current, library.recommendedCoreType.map { "\($0) would be better" } ?? "none better",
      "variable \(variable)", "probes \(probes)",
      "threads of the BLAS \(before - 1) before, \(threadCount - before - workers) more after a step",
      isRight ? "step right" : "step WRONG",
      separator: ", ")
  }

  private static let workers = 1

  /// A step that the worker shares, and that is exact in `Float`.
  private static func stepIsRight() throws -> Bool {
    let layout = try ParameterLayout(count: 1_000_000)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.5, momentum: 0.5), threads: workers + 1)
    var parameters = try ParameterVector<Float>(layout)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(0.25)
    let first = try optimizer.step(&parameters, gradients: gradients)
    try optimizer.step(&parameters, gradients: gradients)
    // -0.125, then another -0.1875.
    return first.totalNorm == 250 && (0..<layout.count).allSatisfy { parameters[$0] == -0.3125 }
  }

  /// A matrix of tiles and of parts of tiles: twice a permutation. It becomes orthogonal, by itself and in a step of Muon,
  /// and has the spectral norm 2.
  private static func matrixIsRight<Scalar: BLASScalar>(_: Scalar.Type, within tolerance: Double) throws -> Bool {
    let n = 150
    let permutation = (0..<n * n).map { place -> Scalar in place % n == (place / n + 7) % n ? 1 : 0 }
    let twice = permutation.map { 2 * $0 }
    func isNear(_ matrix: [Scalar], _ factor: Scalar) -> Bool {
      zip(matrix, permutation).allSatisfy { Double(($0 - factor * $1).magnitude) < tolerance }
    }
    let cubic = NewtonSchulz(Array(repeating: .init(1.5, -0.5, 0), count: 12))

    var matrix = twice
    try matrix.withUnsafeMutableBufferPointer {
      try cubic.orthogonalize(BLAS.MutableMatrix($0.baseAddress, rows: n, columns: n), threads: workers + 1)
    }
    let rule = try Muon(learningRate: 1, momentum: 0.5, method: .newtonSchulz(cubic))
    var optimizer = try Optimizer<Scalar>(ParameterLayout([("w", [n, n])]), rule: rule, threads: workers + 1)
    var parameters = [Scalar](repeating: 0, count: n * n)
    var span = parameters.mutableSpan
    try optimizer.step(&span, gradients: twice.span)
    let norm = try twice.withUnsafeBufferPointer {
      try Gradients.spectralNorm(of: BLAS.Matrix($0.baseAddress, rows: n, columns: n), threads: workers + 1)
    }
    return isNear(matrix, 1) && isNear(parameters, -1) && (norm.value - 2).magnitude < tolerance
  }

  /// The threads of this process; where there is no such folder, 1.
  private static var threadCount: Int {
    guard let folder = opendir("/proc/self/task") else { return 1 }
    defer { closedir(folder) }
    var count = 0
    while let entry = readdir(folder) { if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 } }
    return count
  }
}
