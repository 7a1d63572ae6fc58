/// One length, one alignment and one kind of values of ``BLAS/selfCheck()``.
struct SelfCheckCase<S: BLASScalar> {
  enum Values {
    /// Between -8 and 8: products and sums are exact, in whatever order and with or without fused multiply-add.
    case integers
    /// Between -1 and 1, with all bits in use.
    case fractions
  }

  let routines: BLAS.Routines<S>
  let length: Int
  /// The distance of the operand from a multiple of 64 bytes, in elements.
  let offset: Int
  let values: Values

  /// Untouched elements before and after each operand; a multiple of 64 bytes.
  private static var margin: Int { 64 }
  /// The value of the untouched elements; a routine that reads it gives a wrong result.
  private static var mark: S { 1e30 }
  private static var scalarName: String { "\(S.self)" }

  // MARK: Vectors

  func vectorFailures() -> [BLAS.SelfCheckFailure] {
    var report = Report(self)
    let (x, y) = (numbers(1, length), numbers(2, length))
    let factor: S = values == .integers ? -3 : -0.7
    // Two sums of n terms, each with n roundings of at most half an ulp, and one more for terms of higher order.
    let n = S(length + 1) * S.ulpOfOne

    report.compare("dot", sum(zip(x, y).map { $0 * $1 }), tolerance: n * sum(zip(x, y).map { ($0 * $1).magnitude })) {
      () throws(MomentumError) in
      try withOperand(x) { x throws(MomentumError) in
        // The alignment of the second operand differs from that of the first.
        try withOperand(y, shift: 1) { y throws(MomentumError) in try routines.dot(x.view, y.view) }
      }
    }
    report.compare("asum", sum(x.map(\.magnitude)), tolerance: n * sum(x.map(\.magnitude))) {
      () throws(MomentumError) in
      try withOperand(x) { x throws(MomentumError) in try routines.asum(x.view) }
    }
    // Even if the sum of squares is exact, its root is rounded.
    let norm = sum(x.map { $0 * $0 }).squareRoot()
    report.compare("nrm2", norm, tolerance: (n + 4 * S.ulpOfOne) * norm, alwaysTolerant: true) {
      () throws(MomentumError) in
      try withOperand(x) { x throws(MomentumError) in try routines.nrm2(x.view) }
    }
    var largest = x.isEmpty ? -1 : 0
    for i in x.indices where x[i].magnitude > x[largest].magnitude { largest = i }
    report.compare("iamax", S(largest), tolerance: 0) { () throws(MomentumError) in
      try withOperand(x) { x throws(MomentumError) in S(try routines.iamax(x.view) ?? -1) }
    }

    report.compareAll("scal", x.map { factor * $0 }, tolerances: x.map { _ in 0 }) { () throws(MomentumError) in
      try after(x) { x throws(MomentumError) in try routines.scal(factor, x.mutableView) }
    }
    // Each side rounds twice, or once if it fuses.
    report.compareAll(
      "axpy", zip(x, y).map { $1 + factor * $0 },
      tolerances: zip(x, y).map { S.ulpOfOne * ($1.magnitude + 2 * (factor * $0).magnitude) }
    ) { () throws(MomentumError) in
      try withOperand(x) { x throws(MomentumError) in
        try after(y, shift: 1) { y throws(MomentumError) in try routines.axpy(factor, x.view, y.mutableView) }
      }
    }
    report.compareAll("copy", x, tolerances: x.map { _ in 0 }) { () throws(MomentumError) in
      try withOperand(x) { x throws(MomentumError) in
        try after(y, shift: 1) { y throws(MomentumError) in try routines.copy(x.view, y.mutableView) }
      }
    }
    return report.failures
  }

  // MARK: Matrices

  /// Shapes derived from the length, so that rows, columns and the inner dimension run through the seams of the kernels
  /// in different combinations.
  func matrixFailures() -> [BLAS.SelfCheckFailure] {
    var report = Report(self)
    let (m, n, k) = (length, (length * 5 + 2) % 23, (length * 7 + 3) % 19)
    let (alpha, beta): (S, S) = values == .integers ? (2, -1) : (0.9, -0.3)
    let c = numbers(5, m * n)
    let (x, y) = (numbers(6, k), numbers(7, m))
    // The alignment selects the transposition; the offsets 0...3 cover all four.
    let (transposeA, transposeB) = (offset & 1 == 1, offset & 2 == 2)
    let a = numbers(3, m * k)
    let b = numbers(4, k * n)
    // Element (i, j) of alpha·A·B + beta·C, and the rounding allowed for it. Plain index loops, because most of the
    // time is spent here.
    func reference(_ i: Int, _ b: (Int) -> S, _ old: S) -> (value: S, tolerance: S) {
      var (sum, magnitude): (S, S) = (0, 0)
      for l in 0..<k {
        let term = a[transposeA ? l * m + i : i * k + l] * b(l)
        sum += term
        magnitude += term.magnitude
      }
      let tolerance = S(k + 4) * S.ulpOfOne * (alpha * magnitude + (beta * old).magnitude)
      return (alpha * sum + beta * old, tolerance)
    }

    let vector = (0..<m).map { i in reference(i, { x[$0] }, y[i]) }
    report.compareAll("gemv", vector.map(\.value), tolerances: vector.map(\.tolerance)) { () throws(MomentumError) in
      try withMatrix(a, m, k, transposeA) { a throws(MomentumError) in
        try withOperand(x) { x throws(MomentumError) in
          try after(y, shift: 1) { y throws(MomentumError) in
            try routines.gemv(alpha, a, x.view, beta, y.mutableView)
          }
        }
      }
    }

    let matrix = (0..<m * n).map { index in
      let (i, j) = (index / n, index % n)
      return reference(i, { b[transposeB ? j * k + $0 : $0 * n + j] }, c[index])
    }
    report.compareAll("gemm", matrix.map(\.value), tolerances: matrix.map(\.tolerance)) { () throws(MomentumError) in
      try withMatrix(a, m, k, transposeA) { a throws(MomentumError) in
        try withMatrix(b, k, n, transposeB) { b throws(MomentumError) in
          try after(c, shift: 1) { c throws(MomentumError) in
            try routines.gemm(alpha, a, b, beta, BLAS.MutableMatrix(c.base, rows: m, columns: n))
          }
        }
      }
    }
    return report.failures
  }

  // MARK: Values and operands

  /// Numbers that depend only on the stream and the index.
  private func numbers(_ stream: UInt64, _ count: Int) -> [S] {
    var state = stream &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(length)
    return (0..<count).map { _ in
      // SplitMix64.
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      z ^= z >> 31
      switch values {
      case .integers: return S(Int(z % 17) - 8)
      case .fractions: return S(Int64(bitPattern: z)) * 0x1p-63
      }
    }
  }

  private func sum(_ terms: [S]) -> S { terms.reduce(0, +) }

  private struct Operand {
    let base: UnsafeMutablePointer<S>
    let count: Int
    var view: BLAS.Vector<S> { BLAS.Vector(UnsafePointer(base), count: count) }
    var mutableView: BLAS.MutableVector<S> { BLAS.MutableVector(base, count: count) }
  }

  /// Lends a copy of the values at the alignment of this case (plus `shift` elements) between two marked margins.
  private func withOperand<R>(
    _ values: [S], shift: Int = 0, _ body: (Operand) throws(MomentumError) -> R
  ) throws(MomentumError) -> R {
    let total = 2 * Self.margin + offset + shift + values.count
    let storage = UnsafeMutableRawPointer.allocate(byteCount: total * MemoryLayout<S>.stride, alignment: 64)
      .bindMemory(to: S.self, capacity: total)
    defer { storage.deallocate() }
    storage.initialize(repeating: Self.mark, count: total)
    let base = storage + Self.margin + offset + shift
    base.update(from: values, count: values.count)
    return try body(Operand(base: base, count: values.count))
  }

  /// The values after a routine has run on them, and whether the margins are unchanged.
  private func after(
    _ values: [S], shift: Int = 0, _ body: (Operand) throws(MomentumError) -> Void
  ) throws(MomentumError) -> Output {
    try withOperand(values, shift: shift) { operand throws(MomentumError) in
      try body(operand)
      let base = operand.base
      var stray: S?
      for i in 0..<Self.margin {
        if base[-1 - i] != Self.mark { stray = base[-1 - i] }
        if base[values.count + i] != Self.mark { stray = base[values.count + i] }
      }
      return Output(elements: Array(UnsafeBufferPointer(start: base, count: values.count)), stray: stray)
    }
  }

  /// Lends a matrix whose stored rows lie `1 + offset` elements further apart than they are long.
  private func withMatrix<R>(
    _ values: [S], _ rows: Int, _ columns: Int, _ transposed: Bool,
    _ body: (BLAS.Matrix<S>) throws(MomentumError) -> R
  ) throws(MomentumError) -> R {
    let (storedRows, storedColumns) = transposed ? (columns, rows) : (rows, columns)
    let leadingDimension = storedColumns + 1 + offset
    var spread = [S](repeating: Self.mark, count: storedRows * leadingDimension)
    for i in 0..<storedRows {
      for j in 0..<storedColumns { spread[i * leadingDimension + j] = values[i * storedColumns + j] }
    }
    return try withOperand(spread) { operand throws(MomentumError) in
      let stored = BLAS.Matrix(
        UnsafePointer(operand.base), rows: storedRows, columns: storedColumns, leadingDimension: leadingDimension)
      return try body(transposed ? stored.transposed : stored)
    }
  }

  // MARK: Comparison

  private struct Output {
    let elements: [S]
    /// The value of an element outside the result that was overwritten, if any.
    let stray: S?
  }

  private struct Report {
    private let one: SelfCheckCase
    private(set) var failures: [BLAS.SelfCheckFailure] = []

    init(_ one: SelfCheckCase) { self.one = one }

    /// Compares a number. On integers the tolerance counts only if it is `alwaysTolerant`.
    mutating func compare(
      _ routine: String, _ expected: S, tolerance: S, alwaysTolerant: Bool = false,
      _ result: () throws(MomentumError) -> S
    ) {
      // A routine that refuses these arguments gives no number at all.
      let found = (try? result()) ?? .nan
      note(routine, expected, found, one.values == .integers && !alwaysTolerant ? 0 : tolerance)
    }

    /// Compares a vector, up to its first wrong element.
    mutating func compareAll(
      _ routine: String, _ expected: [S], tolerances: [S], _ result: () throws(MomentumError) -> Output
    ) {
      let output = (try? result()) ?? Output(elements: expected.map { _ in .nan }, stray: nil)
      for (i, found) in output.elements.enumerated() {
        if note(routine, expected[i], found, one.values == .integers ? 0 : tolerances[i]) { break }
      }
      if let stray = output.stray { note("\(routine) (outside)", SelfCheckCase.mark, stray, 0) }
    }

    /// Adds a failure if the difference is too large or not a number; says whether it did.
    @discardableResult
    private mutating func note(_ routine: String, _ expected: S, _ found: S, _ tolerance: S) -> Bool {
      guard !((found - expected).magnitude <= tolerance) else { return false }
      failures.append(
        BLAS.SelfCheckFailure(
          routine: routine, scalar: SelfCheckCase.scalarName, length: one.length,
          offset: one.offset * MemoryLayout<S>.stride, expected: Double(expected), found: Double(found),
          tolerance: Double(tolerance)))
      return true
    }
  }
}
