/// One call of ``PerExampleClipping``: measures the examples, then adds them up.
struct PerExampleSum<Scalar: BLASScalar> {
  private let clipping: PerExampleClipping
  private let examples: BLAS.Matrix<Scalar>
  private let layers: [Range<Int>]
  private let divisor: Double
  private let threads: Int
  /// The factor of each layer of each row, row by row; the division by the batch size is included.
  private var factors: [ScaledDouble] = []
  /// Whether a row has gaps: NaN or infinite elements that count as 0.
  private var hasGaps: [Bool] = []
  private(set) var report = PerExampleReport()

  init(
    _ clipping: PerExampleClipping, _ examples: BLAS.Matrix<Scalar>, _ layers: [Range<Int>], _ divisor: Double,
    _ threads: Int
  ) throws(MomentumError) {
    // Arrays end the process where there is no memory for them, so it is asked for first. What is asked for in vain is
    // not touched.
    let (elements, overflow) = examples.rows.multipliedReportingOverflow(by: layers.count + 1)
    _ = try OwnedBuffer<ScaledDouble>(count: overflow ? .max : elements)
    (self.clipping, self.examples, self.layers) = (clipping, examples, layers)
    (self.divisor, self.threads) = (divisor, threads)
  }

  private func row(_ row: Int, _ columns: Range<Int>) -> UnsafeBufferPointer<Scalar> {
    UnsafeBufferPointer(
      start: examples.base.map { $0 + row * examples.leadingDimension + columns.lowerBound }, count: columns.count)
  }

  /// Finds the factors.
  ///
  /// - Throws: ``MomentumError/nonFiniteGradient(tensor:index:value:)``.
  mutating func measure() throws(MomentumError) {
    report.clippedCounts = Array(repeating: 0, count: layers.count)
    let limits = layers.map {
      clipping.limit(ofLayer: $0.count, of: examples.columns, layers: layers.count)
    }
    factors.reserveCapacity(examples.rows * layers.count)
    for index in 0..<examples.rows {
      var whole = NormPartial(unchecked: .l2)
      for (layer, columns) in layers.enumerated() {
        let partial = try NormPartial(of: row(index, columns), threads: threads)
        whole.merge(partial)
        let norm = clipping.nonFinitePolicy == .zero ? partial.finiteNorm : partial.scaledNorm
        let factor = Convention.native.coefficient(norm: norm, limit: limits[layer], isWhole: true)
        if factor < ScaledDouble(1) || factor.significand.isNaN { report.clippedCounts[layer] += 1 }
        factors.append(factor / ScaledDouble(divisor))
      }
      let isFinite = whole.nanCount + whole.infinityCount == 0
      if !isFinite {
        report.nonFiniteExamples += 1
        if clipping.nonFinitePolicy == .throw { throw firstOffender(index) }
        if clipping.nonFinitePolicy == .skipStep { report.wasSkipped = true }
      }
      hasGaps.append(!isFinite && clipping.nonFinitePolicy == .zero)
      report.norms.append((clipping.nonFinitePolicy == .zero ? whole.finiteNorm : whole.scaledNorm).double)
    }
    if report.wasSkipped { report.clippedCounts = Array(repeating: 0, count: layers.count) }
  }

  private func firstOffender(_ index: Int) -> MomentumError {
    let elements = row(index, 0..<examples.columns)
    let offender = elements.firstIndex { !$0.isFinite } ?? 0
    return .nonFiniteGradient(tensor: "example \(index)", index: offender, value: Double(elements[offender]))
  }

  /// Writes the sum.
  ///
  /// One gemv adds all rows that lie between two special rows. A special row is added by itself. A row is special if
  /// its factor is not finite or does not fit the element type, or if the row has gaps, which a gemv would multiply
  /// instead of skipping them.
  func write(_ gradient: UnsafeMutablePointer<Scalar>) throws(MomentumError) {
    var weights = Array(repeating: Scalar(0), count: examples.rows)
    for (layer, columns) in layers.enumerated() where !columns.isEmpty {
      let target = gradient + columns.lowerBound
      var isFirst = true
      var start = 0
      var apart: [Int] = []
      for row in 0...examples.rows {
        var isApart = true
        if row < examples.rows {
          let factor = factors[row * layers.count + layer]
          let weight = RoundedFactor<Scalar>(factor)
          weights[row] = weight.value
          // The result of a gemv whose row or factor is not finite depends on the BLAS library.
          isApart = weight.prescale != 0 || hasGaps[row] || !weight.value.isFinite
          if isApart { apart.append(row) }
        }
        guard isApart else { continue }
        if start < row {
          try weights.withUnsafeBufferPointer { weights throws(MomentumError) in
            try multiply(start..<row, columns, weights.baseAddress!, isFirst ? 0 : 1, into: target)
          }
          isFirst = false
        }
        start = row + 1
      }
      if isFirst { target.update(repeating: 0, count: columns.count) }
      for row in apart { add(self.row(row, columns), factors[row * layers.count + layer], hasGaps[row], to: target) }
    }
  }

  /// `target ← Σ weight·row + beta·target` for consecutive rows: one gemv, or one for each piece if there are more
  /// columns than a 32-bit count can hold.
  private func multiply(
    _ rows: Range<Int>, _ columns: Range<Int>, _ weights: UnsafePointer<Scalar>, _ beta: Scalar,
    into target: UnsafeMutablePointer<Scalar>
  ) throws(MomentumError) {
    let step = examples.rows == 1 ? max(1, min(examples.leadingDimension, Int(Int32.max))) : examples.leadingDimension
    // If the rows are further apart, or more, than a gemv can be told in 32 bits, they are added one by one.
    guard step <= PerExampleLimits.leadingDimension, rows.count <= Int(Int32.max) else {
      if beta == 0 { target.update(repeating: 0, count: columns.count) }
      for row in rows {
        let x = BLAS.Vector(self.row(row, columns))
        try BLAS.axpy(weights[row], x, into: BLAS.MutableVector(target, count: columns.count))
      }
      return
    }
    guard let base = row(rows.lowerBound, columns).baseAddress else { return }
    BLAS.forEachPiece(columns.count, stride: 1) { offset, n in
      Scalar._gemv(
        true, Int32(rows.count), n, 1, base + offset, Int32(max(step, Int(n))), weights + rows.lowerBound, 1, beta,
        target + offset, 1)
    }
  }

  /// `target ← target + factor·x`, tile by tile, for any factor.
  private func add(
    _ x: UnsafeBufferPointer<Scalar>, _ factor: ScaledDouble, _ clears: Bool, to target: UnsafeMutablePointer<Scalar>
  ) {
    guard let base = x.baseAddress else { return }
    let factor = RoundedFactor<Scalar>(factor)
    withUnsafeTemporaryAllocation(of: Scalar.self, capacity: Tile.count) { scratch in
      let tile = scratch.baseAddress!
      for start in stride(from: 0, to: x.count, by: Tile.count) {
        let n = min(Tile.count, x.count - start)
        if clears {
          Scalar._clearNonFinite(base + start, into: tile, n)
        } else {
          tile.initialize(from: base + start, count: n)
        }
        if factor.prescale != 0 { ElementLoops.scale(tile, byPowerOfTwo: factor.prescale, into: tile, n) }
        ElementLoops.multiplyAdd(factor.value, tile, into: target + start, n)
      }
    }
  }
}
