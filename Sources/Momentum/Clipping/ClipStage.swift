/// The stages of a step that look at the gradient: measure, check, and find the factor of every tensor.
///
/// Steps and in-place clipping share it; they differ in the program that comes after. An optimizer has one for all its steps. A
/// class, because a step hands it on a dozen times, and a copy of all settings would cost more than a short vector does.
final class ClipStage {
  var settings: ClipSettings
  /// What gradients are multiplied with before anything else: loss scale and accumulation, undone. Gradients are measured
  /// as they are; norms and bounds are multiplied and divided by this instead.
  var gradientFactor = ScaledDouble(1)
  /// A limit of the whole that depends on past norms; ``decide(_:_:_:)`` shows it the norm.
  var adaptive: AdaptiveClipping?

  init(_ settings: ClipSettings) { self.settings = settings }

  /// What the stage decided.
  struct Outcome {
    var report = ClipReport()
    /// Whether NaN and infinite elements are cleared before any other operation.
    var clearsNonFinite = false
    /// Whether some tensor is clipped by value.
    var clamps = false

    /// Whether any element of the gradient, as clipped, is another than in memory.
    var changesGradients: Bool { clearsNonFinite || report.valueClippedCount > 0 || report.wasClipped }
  }

  /// Measures the gradients of a table, or goes on with what has been measured.
  ///
  /// - Parameters:
  ///   - outcome: Fresh; handed in, because a copy of one that has just been written makes the processor wait.
  ///   - isMeasured: Whether the table holds the tile sums already.
  /// - Throws: ``MomentumError/nonFiniteGradient(tensor:index:value:)`` under ``NonFinitePolicy/throw``.
  func run<Scalar>(
    _ table: TensorTable<Scalar>, _ outcome: inout Outcome, _ team: ThreadTeam, isMeasured: Bool = false
  ) throws(MomentumError) {
    prepare(table, &outcome)
    // Without clips and under a policy that asks nothing, a look at the gradient would be a wasted pass.
    guard settings.asksForNorm else { return }

    if !isMeasured || outcome.clamps { outcome.report.valueClippedCount = measure(table, outcome.clamps, team) }
    try decide(table, &outcome, team)
  }

  /// Sets all factors to 1, and the bounds of clipping by value as they apply to the gradient in memory.
  func prepare<Scalar>(_ table: TensorTable<Scalar>, _ outcome: inout Outcome) {
    for index in table.decisions.indices {
      table.decisions[index].reset()
      guard settings.clipsValues, let bounds = settings.limits(ofGroup: table.decisions[index].group).bounds else {
        continue
      }
      table.decisions[index].bounds = bounds / gradientFactor
      outcome.clamps = true
    }
  }

  /// Checks what was measured of a table and finds the coefficients.
  func decide<Scalar>(
    _ table: TensorTable<Scalar>, _ outcome: inout Outcome, _ team: ThreadTeam
  ) throws(MomentumError) {
    let type = settings.normType
    let total = table.total(type, table.sums)
    outcome.report.nanCount = total.nanCount
    outcome.report.infinityCount = total.infinityCount
    let totalNorm = value(total)
    outcome.report.totalNorm = totalNorm.double
    outcome.report.normOverflowed = totalNorm.overflowsDouble

    if total.nanCount + total.infinityCount > 0 {
      switch settings.policy {
      case .throw: throw firstOffender(table)
      case .skipStep:
        outcome.report.wasSkipped = true
        outcome.report.comparedNorm = outcome.report.totalNorm
        return
      case .zero: outcome.clearsNonFinite = true
      case .propagate: break
      }
    }
    try limit(table, type, totalNorm, &outcome, team)
  }

  /// Whether multiplying by a coefficient can change an element: a coefficient that rounds to 1 is not applied at all.
  static func changes<Scalar: BLASScalar>(_ coefficient: ScaledDouble, _: Scalar.Type) -> Bool {
    Scalar(coefficient.double) != 1
  }

  /// What a norm of gradients in memory says of the gradients.
  func value(_ norm: MeasuredNorm) -> ScaledDouble {
    norm.value(finiteOnly: settings.policy == .zero) * gradientFactor
  }

  /// The norm of a tensor's gradient as the last pass measured it, after clipping by value and by unit norms.
  func norm<Scalar>(ofTensor index: Int, _ table: TensorTable<Scalar>, clamps: Bool) -> ScaledDouble {
    if let norm = table.decisions[index].unitClippedNorm { return norm * gradientFactor }
    return value(table.norm(of: index, settings.normType, clamps ? table.clampedSums : table.sums))
  }

  // MARK: - Measuring

  /// Runs the reduce pass: twice for a general p, which needs the largest element first.
  private func measure<Scalar>(_ table: TensorTable<Scalar>, _ clamps: Bool, _ team: ThreadTeam) -> Int {
    var pass = ReducePlan(measure: .maximum, clamps: clamps, clearsNonFinite: settings.policy == .zero)
    table.unit = 1
    switch settings.normType {
    case .l2: pass.measure = settings.algorithm == .blas ? .squares : .portableSquares
    case .l1: pass.measure = .magnitudes
    case .infinity: pass.measure = .maximum
    case .p(0): pass.measure = .nonZeros
    case .p(let p):
      _ = table.reduce(pass, team)
      var largest = table.total(.infinity, table.sums).finite.double
      if clamps {
        largest = max(largest, table.total(.infinity, table.clampedSums).finite.double)
      }
      table.unit = largest > 0 ? largest : 1
      pass.measure = .powers(p: p, unit: table.unit)
    }
    return table.reduce(pass, team)
  }

  /// The first element, by tensor position and then by index, that is not finite: the same for any number of threads.
  private func firstOffender<Scalar>(_ table: TensorTable<Scalar>) -> MomentumError {
    for (position, entry) in table.entries.enumerated() {
      guard let gradient = entry.gradient else { continue }
      for tile in 0..<entry.tiles {
        let sum = table.sums[entry.firstTile + tile]
        guard sum.nan > 0 || sum.infinity > 0 else { continue }
        for index in tile * tileCount..<min(entry.count, (tile + 1) * tileCount) where !gradient[index].isFinite {
          return .nonFiniteGradient(tensor: table.name(of: position), index: index, value: Double(gradient[index]))
        }
      }
    }
    preconditionFailure("a tile with non-finite elements must hold one")
  }

  // MARK: - Limiting

  /// Finds the coefficients: of the tensors, of the groups, of the whole, each of what the former left.
  private func limit<Scalar>(
    _ table: TensorTable<Scalar>, _ type: NormType, _ totalNorm: ScaledDouble, _ outcome: inout Outcome,
    _ team: ThreadTeam
  ) throws(MomentumError) {
    let sums = outcome.clamps ? table.clampedSums : table.sums
    if settings.limitsUnits { try limitUnits(table, team, &outcome) }
    for index in table.entries.indices where settings.limitsTensors && table.entries[index].gradient != nil {
      if settings.limitsUnits, try isLimitedByUnits(index, table) { continue }
      guard let coefficient = coefficientOfTensor(index, table, sums), Self.changes(coefficient, Scalar.self) else {
        continue
      }
      outcome.report.wasClipped = true
      table.decisions[index].coefficient = table.decisions[index].coefficient * coefficient
    }
    for group in settings.groups.indices {
      guard let limit = settings.groups[group]?.globalNorm else { continue }
      let norm = value(
        table.clippedTotal(type, sums, finiteOnly: settings.policy == .zero) { $0.pointee.group == group })
      let coefficient = settings.convention.coefficient(norm: norm, limit: limit, isWhole: true)
      apply(coefficient, table, &outcome) { table.decisions[$0].group == group }
    }

    var compared = totalNorm
    if outcome.report.wasClipped {
      compared = value(table.clippedTotal(type, sums, finiteOnly: settings.policy == .zero) { _ in true })
    } else if outcome.clamps {
      compared = value(table.total(type, sums))
    }
    outcome.report.comparedNorm = compared.double

    var (limit, target) = (settings.clipping.globalNorm, settings.clipping.targetNorm)
    if settings.adapts {
      switch adaptive?.decide(norm: compared.double) {
      case .limit(let other):
        target = target.map { min($0, other) }
        limit = min(limit ?? .infinity, other)
      case .skip:
        outcome.report.wasSkipped = true
        return
      case nil, .some(.none): break
      }
    }
    let coefficient: ScaledDouble
    if let target {
      coefficient = settings.convention.coefficient(norm: compared, target: target)
    } else if let limit {
      coefficient = settings.convention.coefficient(norm: compared, limit: limit, isWhole: true)
    } else {
      return
    }
    outcome.report.clipCoefficient = coefficient.double
    apply(coefficient, table, &outcome) { _ in true }
  }

  /// What the limits of a tensor's own, rather than of its units, make of its gradient; `nil` if it has none.
  private func coefficientOfTensor<Scalar>(
    _ index: Int, _ table: TensorTable<Scalar>, _ sums: UnsafeMutableBufferPointer<TileSum>
  ) -> ScaledDouble? {
    let limits = settings.limits(ofGroup: table.decisions[index].group)
    guard limits.norm != nil || (limits.blockRMS != nil && table.entries[index].count > 0) else { return nil }
    let measured = table.norm(of: index, settings.normType, sums).value(finiteOnly: settings.policy == .zero)
    table.decisions[index].tensorNorm = measured
    let norm = measured * gradientFactor
    if let limit = limits.norm { return settings.convention.coefficient(norm: norm, limit: limit, isWhole: false) }
    return limits.blockRMS.map {
      let count = Double(table.entries[index].count)
      return settings.convention.coefficient(rootMeanSquare: norm / ScaledDouble(count.squareRoot()), limit: $0)
    }
  }

  /// Multiplies a coefficient onto those of some tensors.
  private func apply<Scalar>(
    _ coefficient: ScaledDouble, _ table: TensorTable<Scalar>, _ outcome: inout Outcome, to isMeant: (Int) -> Bool
  ) {
    guard Self.changes(coefficient, Scalar.self) else { return }
    outcome.report.wasClipped = true
    for index in table.entries.indices where table.entries[index].gradient != nil && isMeant(index) {
      table.decisions[index].coefficient = table.decisions[index].coefficient * coefficient
    }
  }
}

extension ValueBounds {
  fileprivate static func / (bounds: ValueBounds, factor: ScaledDouble) -> ValueBounds {
    // Without a factor to the last bit what they were.
    guard factor != ScaledDouble(1) else { return bounds }
    return ValueBounds(
      lower: (ScaledDouble(bounds.lower) / factor).double, upper: (ScaledDouble(bounds.upper) / factor).double)
  }
}
