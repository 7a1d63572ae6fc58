extension NewtonSchulz {
  /// Replaces a matrix by its orthogonalised form; see ``NewtonSchulz``.
  ///
  /// A matrix of zeros stays one; a NaN or an infinity makes every element NaN. The same bits for any number of threads, and
  /// on every processor with fused multiply-add. BLAS starts no threads.
  ///
  /// - Parameters:
  ///   - matrix: The matrix; overwritten.
  ///   - threads: The most threads to use; by default as many as the process may use.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for factors, epsilon or restarts out of range;
  ///   ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/allocationFailed(bytes:)``.
  /// - Complexity: With r the smaller side, c the larger and n steps `(4·n - 3)·r³ + 3·r²·c` operations, and
  ///   `3·r²·(c - r)` for each Gram matrix that is computed anew; `r³/3` for the question whether restarts are needed.
  ///   Memory for `r·c + 5·r²` elements, or `2·(r·c + r²)` if c is at most 64 and that is more.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public func orthogonalize<Scalar: BLASScalar>(
    _ matrix: BLAS.MutableMatrix<Scalar>, threads: Int? = nil
  ) throws(MomentumError) {
    _ = try orthogonalizeCountingRestarts(matrix, threads: threads)
  }

  /// Replaces a matrix by its orthogonalised form; see ``orthogonalize(_:threads:)``.
  ///
  /// - Returns: How often the Gram matrix was computed anew: the number of ``restarts``, or 0 for a matrix that does without
  ///   (``restartUse``); for nearly square and small matrices one less than there are steps. 0 if there is
  ///   nothing to compute.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func orthogonalizeCountingRestarts<Scalar: BLASScalar>(
    _ matrix: BLAS.MutableMatrix<Scalar>, threads: Int? = nil
  ) throws(MomentumError) -> Int {
    try BLAS.check(matrix.readOnly, "the matrix")
    try validate()
    let threads = try Machine.threads(threads)
    guard matrix.rows > 0, matrix.columns > 0, let base = matrix.base else { return 0 }
    let layout = MatrixLayout(
      rows: matrix.rows, columns: matrix.columns, leadingDimension: matrix.leadingDimension)
    let workspace = try MatrixWorkspace<Scalar>(CollectionOfOne(layout), threads: threads)
    let call = EngineCall.begin()
    defer { call.end() }
    return orthogonalize(MatrixPlace(base, layout), in: workspace)
  }

  /// Replaces one matrix by its orthogonalised form, on all threads of the workspace. Allocates nothing.
  ///
  /// - Returns: See ``orthogonalizeCountingRestarts(_:threads:)``.
  /// - Precondition: The settings are valid, the workspace was made for a matrix of this shape, and the caller is in a call
  ///   of the engine (``EngineCall``).
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  @discardableResult
  func orthogonalize<Scalar: BLASScalar>(_ matrix: MatrixPlace<Scalar>, in workspace: MatrixWorkspace<Scalar>) -> Int {
    guard matrix.layout.count > 0 else { return 0 }
    let team = MatrixWork.team(workspace.threads, for: matrix.layout)
    var iteration = GramIteration(
      matrix, workspace.memory(for: matrix.layout), TaskCrew(team, workspace))
    return iteration.run(self)
  }

  /// Replaces a matrix that is stored row by row by its orthogonalised form; see ``orthogonalize(_:in:)``.
  func orthogonalize<Scalar: BLASScalar>(
    _ elements: UnsafeMutablePointer<Scalar>, rows: Int, columns: Int, in workspace: MatrixWorkspace<Scalar>
  ) {
    orthogonalize(MatrixPlace(elements, MatrixLayout(rows: rows, columns: columns)), in: workspace)
  }

  /// Replaces matrices by their orthogonalised forms: small ones several at once, one on each thread, then the others one
  /// after the other, each on all threads. Each gets the bits that it gets alone. Allocates nothing.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func orthogonalize<Scalar: BLASScalar>(
    _ matrices: UnsafeBufferPointer<MatrixPlace<Scalar>>, in workspace: MatrixWorkspace<Scalar>
  ) {
    var work = 0
    for matrix in matrices where isWorthAThread(matrix) { work += MatrixWork.elements(matrix.layout) }
    let team = ThreadTeam(workspace.threads, elements: work).assembled()
    workspace.restartCount()
    team.run(Wave(method: self, matrices: matrices, workspace: workspace))
    for matrix in matrices where !isWorthAThread(matrix) { orthogonalize(matrix, in: workspace) }
  }

  private func isWorthAThread<Scalar>(_ matrix: MatrixPlace<Scalar>) -> Bool {
    MatrixWorkspace<Scalar>.isSmall(matrix.layout)
  }

  /// Small matrices, of which each thread takes one after the other.
  private struct Wave<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {  // each matrix is one thread's
    let method: NewtonSchulz
    let matrices: UnsafeBufferPointer<MatrixPlace<Scalar>>
    let workspace: MatrixWorkspace<Scalar>

    func run(thread: Int) {
      while true {
        let index = workspace.takeNext()
        guard index < matrices.count else { return }
        let matrix = matrices[index]
        guard method.isWorthAThread(matrix), matrix.layout.count > 0 else { continue }
        var iteration = GramIteration(
          matrix, workspace.memory(for: matrix.layout, ofThread: thread), TaskCrew(thread: thread, workspace))
        iteration.run(method)
      }
    }
  }
}
