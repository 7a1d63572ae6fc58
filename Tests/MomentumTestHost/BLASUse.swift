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
  /// something in the environment, how long the probes took, the threads that a step and an orthogonalised matrix have started
  /// besides the engine's own, and whether their results are right.
  static func printReport() throws {
    let variable = getenv("OPENBLAS_CORETYPE") == nil ? "unset" : "set"
    let before = threadCount
    let start = ContinuousClock.now
    let behavior = BLAS.LibraryInfo.current.behavior
    let probes = ContinuousClock.now - start
    precondition(behavior.integerWidth == 32)
    let isRight = try stepIsRight() && matrixIsRight()
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

  /// A matrix of tiles and of parts of tiles that becomes orthogonal: twice a permutation, which is exact.
  private static func matrixIsRight() throws -> Bool {
    let n = 150
    var matrix = [Double](repeating: 0, count: n * n)
    for row in 0..<n { matrix[row * n + (row + 7) % n] = 2 }
    let cubic = NewtonSchulz(Array(repeating: .init(1.5, -0.5, 0), count: 12))
    try matrix.withUnsafeMutableBufferPointer {
      try cubic.orthogonalize(BLAS.MutableMatrix($0.baseAddress, rows: n, columns: n), threads: workers + 1)
    }
    return (0..<n * n).allSatisfy { (matrix[$0] - ($0 % n == ($0 / n + 7) % n ? 1 : 0)).magnitude < 1e-9 }
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
