import Momentum

/// A step of Muon by calls of BLAS on whole vectors and matrices, with its own threads: Newton-Schulz as it is written down,
/// three products a step.
final class PlainMuon<Scalar: LimitScalar>: BenchContender {
  private let memory: BenchMemory<Scalar>
  private let matrices: MatrixCase
  private let rule: MatrixStep
  private let velocity: UnsafeMutableBufferPointer<Scalar>
  /// The matrix and what becomes of it, then its Gram matrix and the factor of a step.
  private let work: UnsafeMutablePointer<Scalar>
  private let largest, square: Int

  init(_ memory: BenchMemory<Scalar>, _ matrices: MatrixCase, _ rule: MatrixStep) throws {
    (self.memory, self.matrices, self.rule) = (memory, matrices, rule)
    velocity = try memory.velocity()
    velocity.update(repeating: 0)
    largest = matrices.shapes.map { $0[0] * $0[1] }.max()!
    square = matrices.shapes.map { $0.min()! * $0.min()! }.max()!
    work = .allocate(capacity: 2 * (largest + square))
    work.initialize(repeating: 0, count: 2 * (largest + square))
  }

  deinit { work.deallocate() }

  func prepare() {}
  func settle() { settleOpenBLAS() }

  func run() throws {
    let momentum = Scalar(rule.muon.momentum)
    try BLAS.scal(momentum, vector(velocity))
    try BLAS.axpy(1, vector(memory.gradients).readOnly, into: vector(velocity))
    for (tensor, shape) in zip(memory.layout.tensors, matrices.shapes) {
      let x = BLAS.MutableVector(work, count: tensor.count)
      try BLAS.copy(vector(memory.gradients, tensor.range).readOnly, to: x)
      try BLAS.axpy(momentum, vector(velocity, tensor.range).readOnly, into: x)
      try BLAS.scal(1 / BLAS.nrm2(x.readOnly), x)
      let result = try orthogonalize(rows: shape[0], columns: shape[1])
      try BLAS.axpy(
        Scalar(-rule.factor(of: shape)), BLAS.Vector(result, count: tensor.count),
        into: vector(memory.parameters, tensor.range))
    }
  }

  private func vector(
    _ buffer: UnsafeMutableBufferPointer<Scalar>, _ range: Range<Int>? = nil
  ) -> BLAS.MutableVector<Scalar> {
    let range = range ?? 0..<buffer.count
    return BLAS.MutableVector(buffer.baseAddress! + range.lowerBound, count: range.count)
  }

  /// `X ← a·X + (b·A + c·A²) X` with `A = X Xᵀ`, or from the right with `A = Xᵀ X` if that is smaller.
  private func orthogonalize(rows: Int, columns: Int) throws -> UnsafeMutablePointer<Scalar> {
    let side = min(rows, columns)
    let gram = BLAS.MutableMatrix(work + 2 * largest, rows: side, columns: side)
    let factor = BLAS.MutableMatrix(work + 2 * largest + square, rows: side, columns: side)
    var (x, next) = (work, work + largest)
    for step in rule.method.steps {
      let matrix = BLAS.Matrix(x, rows: rows, columns: columns)
      let isWide = rows <= columns
      try BLAS.gemm(1, isWide ? matrix : matrix.transposed, isWide ? matrix.transposed : matrix, 0, into: gram)
      factor.base!.update(from: gram.base!, count: side * side)
      try BLAS.gemm(Scalar(step.c), gram.readOnly, gram.readOnly, Scalar(step.b), into: factor)
      next.update(from: x, count: rows * columns)
      try BLAS.gemm(
        1, isWide ? factor.readOnly : matrix, isWide ? matrix : factor.readOnly, Scalar(step.a),
        into: BLAS.MutableMatrix(next, rows: rows, columns: columns))
      swap(&x, &next)
    }
    return x
  }
}

/// The step that rows of matrices measure.
struct MatrixStep {
  let method = NewtonSchulz.jordan()
  let muon: Muon

  init() throws(MomentumError) { muon = try Muon(learningRate: 0.02, method: .newtonSchulz(method)) }

  /// The same along polar factors.
  var polar: Muon {
    var rule = muon
    rule.method = .polar
    return rule
  }

  /// The factor of the orthogonal matrix that parameters lose in a step.
  func factor(of shape: [Int]) -> Double {
    muon.learningRate * max(1, Double(shape[0]) / Double(shape[1])).squareRoot()
  }
}

/// The contenders of a row of matrices, whose results are right.
struct MatrixContest {
  let engine: any BenchContender
  let tiles: any BenchContender
  let tileOperations: Double
  let large: any BenchContender
  let plain: any BenchContender
  /// What is wrong with the results of the plain calls, whose BLAS is not ours to mend.
  let plainFault: String?
  /// The engine's step along polar factors, if asked for.
  let polar: (any BenchContender)?
  /// What was asked for.
  let condition: Double?
  /// How often the engine computes the Gram matrix of each matrix anew.
  let restarts: [Int]

  /// - Parameters:
  ///   - polar: Whether to take the step along polar factors too; LAPACK's routines have been supplied then.
  ///   - condition: See ``ReflectedMatrix``.
  init<Scalar: LimitScalar>(
    _ matrices: MatrixCase, _ memory: BenchMemory<Scalar>, polar wantsPolar: Bool, condition: Double?, row: String
  ) throws {
    let step = try MatrixStep()
    let verification = MatrixVerification(matrices, memory, step, condition: condition, row: row)
    verification.fillGradients()
    self.condition = condition
    restarts = try verification.restarts()

    engine = try EngineStep(memory, step.muon, kernels: .automatic)
    try verification.verify(engine, "momentum", step.method.value)
    polar = wantsPolar ? try EngineStep(memory, step.polar, kernels: .automatic) : nil
    if let polar { try verification.verify(polar, "polar factors") { _ in 1 } }

    try TileProducts<Scalar>.verify(row: row)
    let tiles = TileProducts<Scalar>(
      operations: matrices.operationCount(step.method, restarts: restarts), threads: memory.threads)
    (self.tiles, tileOperations) = (tiles, tiles.operations)
    let large = LargeProduct<Scalar>()
    try large.verify(row: row)
    self.large = large

    let plain = try PlainMuon(memory, matrices, step)
    plainFault = try BenchContest.fault { try verification.verify(plain, "plain calls", step.method.value) }
    self.plain = plain
  }
}

/// Judges steps of Muon: gradients whose singular values are known come back in each of them, so what is made orthogonal
/// is a multiple of them, and every step is the same.
struct MatrixVerification<Scalar: LimitScalar> {
  private let matrices: MatrixCase
  private let memory: BenchMemory<Scalar>
  private let step: MatrixStep
  private let condition: Double?
  private let row: String

  init(
    _ matrices: MatrixCase, _ memory: BenchMemory<Scalar>, _ step: MatrixStep, condition: Double? = nil, row: String
  ) {
    (self.matrices, self.memory, self.step, self.condition, self.row) = (matrices, memory, step, condition, row)
  }

  private func matrix(_ index: Int) -> ReflectedMatrix {
    let shape = matrices.shapes[index]
    return ReflectedMatrix(
      rows: shape[0], columns: shape[1], condition: condition, seed: memory.layout.tensors[index].offset)
  }

  func fillGradients() {
    for (index, tensor) in memory.layout.tensors.enumerated() {
      let (elements, columns) = (matrix(index).elements, matrices.shapes[index][1])
      for place in 0..<tensor.count {
        let (row, column) = place.quotientAndRemainder(dividingBy: columns)
        memory.gradients[tensor.offset + place] = Scalar(elements[row, column])
      }
    }
  }

  /// How often the Gram matrix of each gradient is computed anew when it is orthogonalised. In the place of the parameters.
  func restarts() throws -> [Int] {
    memory.parameters.baseAddress!.update(from: memory.gradients.baseAddress!, count: memory.count)
    return try zip(memory.layout.tensors, matrices.shapes).map { tensor, shape in
      let base = memory.parameters.baseAddress! + tensor.offset
      return try step.method.orthogonalizeCountingRestarts(
        BLAS.MutableMatrix(base, rows: shape[0], columns: shape[1]), threads: memory.threads)
    }
  }

  /// Compares the parameters after two steps from 0, matrix by matrix: the Frobenius norm of what is wrong with that of what is
  /// right, over the elements that are looked at. It is the measure that accuracy is promised in: single elements that are small beside the others of their row may be off by more of their own size.
  ///
  /// - Parameter polynomial: What becomes of singular values, those of the matrix divided by its norm.
  func verify(
    _ contender: some BenchContender, _ name: String, _ polynomial: (Double) -> Double
  ) throws {
    let steps = 2
    memory.parameters.update(repeating: 0)
    for _ in 0..<steps { try contender.run() }
    // 3e-5 of Floats.
    let tolerance = 256 * Double(Scalar.ulpOfOne)
    var sample = memory.sample[...]
    for (index, tensor) in memory.layout.tensors.enumerated() {
      let elements = matrix(index).orthogonalized(polynomial)
      let (columns, way) = (matrices.shapes[index][1], -Double(steps) * step.factor(of: matrices.shapes[index]))
      let own = sample.prefix { $0 < tensor.range.upperBound }
      sample = sample.dropFirst(own.count)
      var (wrong, right) = (0.0, 0.0)
      for place in own {
        let (row, column) = (place - tensor.offset).quotientAndRemainder(dividingBy: columns)
        let expected = way * elements[row, column]
        let error = Double(memory.parameters[place]) - expected
        (wrong, right) = (wrong + error * error, right + expected * expected)
      }
      // Negated, so that NaN fails.
      guard !(wrong <= tolerance * tolerance * right) else { continue }
      throw BenchFailure(
        row: self.row, contender: name,
        cause:
          "matrix \(index) is off by \((wrong / right).squareRoot()) of its norm after \(steps) steps, expected at "
          + "most \(tolerance)")
    }
  }
}
