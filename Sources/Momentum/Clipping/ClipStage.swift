/// The stages of a step that look at the gradient: measure, check, and find the factor of every tensor.
///
/// Steps and in-place clipping share it; they differ in the program that comes after.
struct ClipStage {
  let clipping: GradientClipping
  let convention: Convention
  let policy: NonFinitePolicy

  /// What the stage decided.
  struct Outcome {
    var report = ClipReport()
    /// The operations on the gradient that come before any other.
    var clearsNonFinite = false
    var bounds: ValueBounds?
  }

  /// Measures the gradients of a table.
  ///
  /// - Parameter name: The name of the tensor at a position, for errors.
  /// - Throws: ``MomentumError/nonFiniteGradient(tensor:index:value:)`` under ``NonFinitePolicy/throw``.
  func run<Scalar>(
    _ table: TensorTable<Scalar>, _ team: ThreadTeam, name: (Int) -> String
  ) throws(MomentumError) -> Outcome {
    var outcome = Outcome()
    outcome.bounds = clipping.bounds
    table.resetCoefficients()
    // Without clips and under a policy that asks nothing, a look at the gradient would be a wasted pass.
    guard policy != .propagate || !clipping.isEmpty else { return outcome }

    outcome.report.valueClippedCount = measure(table, team)
    try decide(table, &outcome, name: name)
    return outcome
  }

  /// Checks what was measured of a table and finds the coefficients.
  func decide<Scalar>(
    _ table: TensorTable<Scalar>, _ outcome: inout Outcome, name: (Int) -> String
  ) throws(MomentumError) {
    let type = clipping.normType.simplified
    let total = table.total(type, table.sums)
    outcome.report.nanCount = total.nanCount
    outcome.report.infinityCount = total.infinityCount
    let totalNorm = policy == .zero ? total.finiteNorm : total.scaledNorm
    outcome.report.totalNorm = totalNorm.double
    outcome.report.normOverflowed = totalNorm.overflowsDouble

    if total.nanCount + total.infinityCount > 0 {
      switch policy {
      case .throw: throw firstOffender(table, name: name)
      case .skipStep:
        outcome.report.wasSkipped = true
        outcome.report.comparedNorm = outcome.report.totalNorm
        return
      case .zero: outcome.clearsNonFinite = true
      case .propagate: break
      }
    }
    limit(table, type, totalNorm, &outcome)
  }

  /// Runs the reduce pass: twice for a general p, which needs the largest element first.
  @discardableResult
  func measure<Scalar>(
    _ table: TensorTable<Scalar>, _ team: ThreadTeam
  ) -> Int {
    var plan = ReducePlan(measure: .maximum, bounds: clipping.bounds, clearsNonFinite: policy == .zero)
    table.unit = 1
    switch clipping.normType.simplified {
    case .l2: plan.measure = clipping.algorithm == .blas ? .squares : .portableSquares
    case .l1: plan.measure = .magnitudes
    case .infinity: plan.measure = .maximum
    case .p(0): plan.measure = .nonZeros
    case .p(let p):
      _ = table.reduce(plan, team)
      var largest = table.total(.infinity, table.sums).finiteNorm.double
      if plan.bounds != nil {
        largest = max(largest, table.total(.infinity, table.clampedSums).finiteNorm.double)
      }
      table.unit = largest > 0 ? largest : 1
      plan.measure = .powers(p: p, unit: table.unit)
    }
    return table.reduce(plan, team)
  }

  /// Finds the coefficients of the tensors and of the whole.
  private func limit<Scalar>(
    _ table: TensorTable<Scalar>, _ type: NormType, _ totalNorm: ScaledDouble, _ outcome: inout Outcome
  ) {
    let sums = outcome.bounds == nil ? table.sums : table.clampedSums
    func value(_ partial: NormPartial) -> ScaledDouble { policy == .zero ? partial.finiteNorm : partial.scaledNorm }

    var compared = outcome.bounds == nil ? totalNorm : value(table.total(type, sums))
    if let limit = clipping.norm {
      var partial = NormPartial(unchecked: type, unit: table.unit)
      for index in table.entries.indices where table.entries[index].gradient != nil {
        let norm = value(table.partial(of: index, type, sums))
        let coefficient = convention.coefficient(norm: norm, limit: limit, isWhole: false)
        table.entries[index].coefficient = coefficient
        let changes = Self.changes(coefficient, Scalar.self)
        if changes { outcome.report.wasClipped = true }
        partial.add(norm: changes ? norm * coefficient : norm)
      }
      // Untouched tensors keep the norm that was measured of all of them, to the last bit.
      if outcome.report.wasClipped { compared = partial.scaledNorm }
    }
    outcome.report.comparedNorm = compared.double

    if let limit = clipping.globalNorm {
      let coefficient = convention.coefficient(norm: compared, limit: limit, isWhole: true)
      outcome.report.clipCoefficient = coefficient.double
      if Self.changes(coefficient, Scalar.self) {
        outcome.report.wasClipped = true
        for index in table.entries.indices where table.entries[index].gradient != nil {
          table.entries[index].coefficient = table.entries[index].coefficient * coefficient
        }
      }
    }
  }

  /// Whether multiplying by a coefficient can change an element: a coefficient that rounds to 1 is not applied at all.
  static func changes<Scalar: BLASScalar>(_ coefficient: ScaledDouble, _: Scalar.Type) -> Bool {
    Scalar(coefficient.double) != 1
  }

  /// The first element, by tensor position and then by index, that is not finite: the same for any number of threads.
  private func firstOffender<Scalar>(_ table: TensorTable<Scalar>, name: (Int) -> String) -> MomentumError {
    for (position, entry) in table.entries.enumerated() {
      guard let gradient = entry.gradient else { continue }
      for tile in 0..<entry.tiles {
        let sum = table.sums[entry.firstTile + tile]
        guard sum.nan > 0 || sum.infinity > 0 else { continue }
        for index in tile * tileCount..<min(entry.count, (tile + 1) * tileCount) where !gradient[index].isFinite {
          return .nonFiniteGradient(tensor: name(position), index: index, value: Double(gradient[index]))
        }
      }
    }
    preconditionFailure("a tile with non-finite elements must hold one")
  }
}

extension TensorTable {
  func resetCoefficients() {
    for index in entries.indices { entries[index].coefficient = ScaledDouble(1) }
  }

  /// The norm of one tensor from its tile sums.
  func partial(
    of index: Int, _ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>
  ) -> NormPartial {
    var partial = NormPartial(unchecked: type, unit: unit)
    let entry = entries[index]
    partial.add(UnsafeBufferPointer(rebasing: sums[entry.firstTile..<entry.firstTile + entry.tiles]))
    return partial
  }

  /// The norm of all tensors that have a gradient.
  func total(_ type: NormType, _ sums: UnsafeMutableBufferPointer<TileSum>) -> NormPartial {
    var partial = NormPartial(unchecked: type, unit: unit)
    // Tensors without a gradient have no tile sums; runs of the others are added in one go.
    var (start, end) = (0, 0)
    for entry in entries {
      if entry.gradient == nil {
        partial.add(UnsafeBufferPointer(rebasing: sums[start..<end]))
        start = entry.firstTile + entry.tiles
      }
      end = entry.firstTile + entry.tiles
    }
    partial.add(UnsafeBufferPointer(rebasing: sums[start..<end]))
    return partial
  }
}
