/// The stage of a step between its two passes: it checks the gradient by its measurements, and finds the factor of
/// every tensor.
///
/// Optimizer steps and in-place clipping share it; they differ in the program that runs afterwards. An optimizer has
/// one stage for all its steps. It is a class because a step passes it on a dozen times, and a copy of all settings
/// would take longer than the step of a short vector.
final class ClipStage {
  var settings: ClipSettings {
    didSet { groupCoefficients = Array(repeating: ScaledDouble(1), count: settings.groups.count) }
  }
  /// The coefficient of each group's own limit in the last step, for reports.
  private(set) var groupCoefficients: [ScaledDouble]
  /// The factor that undoes loss scale and accumulation. Gradients are measured as they are in memory; norms are
  /// multiplied by this factor, and bounds are divided by it.
  var gradientFactor = ScaledDouble(1)
  /// A limit of the norm of all tensors that depends on past norms; ``decide(_:_:_:_:)`` gives it the norm of each
  /// step.
  var adaptive: AdaptiveLimit?

  init(_ settings: ClipSettings) {
    self.settings = settings
    groupCoefficients = Array(repeating: ScaledDouble(1), count: settings.groups.count)
  }

  /// The decisions of the stage.
  struct Outcome {
    var report = ClipReport()
    /// Whether NaN and infinite elements are cleared before any other operation.
    var clearsNonFinite = false
    /// Whether the gradients are measured also as clipping by value will leave them.
    var clamps = false

    /// Whether the clipped gradient differs from the gradient in memory in any element.
    var changesGradients: Bool { clearsNonFinite || report.valueClippedCount > 0 || report.wasClipped }
  }

  /// Gives every tensor its bounds of clipping by value, converted to the gradient as it is in memory.
  func bindBounds<Scalar>(_ table: TensorTable<Scalar>, _ outcome: inout Outcome) {
    for index in table.decisions.indices {
      guard let bounds = settings.limits(ofGroup: table.decisions[index].group).bounds else { continue }
      table.decisions[index].bounds = bounds.divided(by: gradientFactor, within: Scalar.self)
      outcome.clamps = settings.comparesNorm
    }
  }

  /// The plan of the measurement of the gradient.
  func measurementPlan(_ outcome: Outcome) -> MeasurementPlan {
    MeasurementPlan(
      type: settings.normType, algorithm: settings.algorithm, clamps: outcome.clamps,
      clearsNonFinite: settings.policy == .zero)
  }

  /// Checks the measurement and finds the coefficients: those of the tensors, then of the groups, then of all tensors
  /// together. Each is computed for the gradient that the one before has left.
  ///
  /// A norm that decides for more than one tensor stays a ``NormPartial`` until it is compared.
  ///
  /// - Parameters:
  ///   - measured: The measurement of all gradients.
  ///   - outcome: The outcome so far, changed in place: copying a value that has just been written makes the processor
  ///     wait.
  /// - Throws: ``MomentumError/nonFiniteGradient(tensor:index:value:)`` under ``NonFinitePolicy/throw``.
  func decide<Scalar>(
    _ measured: GradientMeasurement, _ table: TensorTable<Scalar>, _ outcome: inout Outcome, _ team: ThreadTeam
  ) throws(MomentumError) {
    let total = value(measured.total)
    report(measured, total, &outcome)
    guard try accepts(measured, table, &outcome) else { return }

    let tiles = table.measured(clamped: outcome.clamps)
    if settings.limitsUnits { try limitUnits(table, team, &outcome) }
    if settings.limitsTensors { try limitTensors(table, tiles, &outcome) }
    for group in settings.groups.indices {
      guard let limit = settings.groups[group]?.globalNorm else { continue }
      limitGroup(group, to: limit, norm: groupNorm(group, table, tiles), table, &outcome)
    }
    if settings.comparesNorm { limitWhole(norm: comparedNorm(total, table, tiles, outcome), table, &outcome) }
  }

  func report(_ measured: GradientMeasurement, _ total: ScaledDouble, _ outcome: inout Outcome) {
    outcome.report.valueClippedCount = measured.valueClippedCount
    outcome.report.nanCount = measured.total.nanCount
    outcome.report.infinityCount = measured.total.infinityCount
    let norm = total.double
    outcome.report.totalNorm = norm
    outcome.report.normOverflowed = norm.isInfinite && total.significand.isFinite
  }

  /// Reports what clipping by value has left, where that decides nothing (``ClipSettings/clampsForReportOnly``).
  ///
  /// - Parameter changed: The number of elements that it has changed.
  func reportClamped<Scalar>(_ changed: Int, _ table: TensorTable<Scalar>, _ outcome: inout Outcome) {
    outcome.report.valueClippedCount = changed
    outcome.report.comparedNorm =
      comparedNorm(ScaledDouble(0), table, table.measured(clamped: true), outcome).double
  }

  /// Keeps the coefficient of a group's own limit for reports.
  func keep(_ coefficient: ScaledDouble, ofGroup group: Int) { groupCoefficients[group] = coefficient }

  /// Applies the policy to a gradient that is not finite.
  ///
  /// - Returns: Whether the step goes on.
  func accepts<Scalar>(
    _ measured: GradientMeasurement, _ table: TensorTable<Scalar>, _ outcome: inout Outcome
  ) throws(MomentumError) -> Bool {
    guard measured.total.nanCount + measured.total.infinityCount > 0 else { return true }
    switch settings.policy {
    case .throw: throw firstOffender(table)
    case .skipStep:
      outcome.report.comparedNorm = outcome.report.totalNorm
      skip(table, &outcome)
      return false
    case .zero: outcome.clearsNonFinite = true
    case .propagate: break
    }
    return true
  }

  /// Leaves everything as it was, and lets no report say that something was clipped.
  private func skip<Scalar>(_ table: TensorTable<Scalar>, _ outcome: inout Outcome) {
    (outcome.report.wasSkipped, outcome.report.wasClipped) = (true, false)
    table.resetDecisions()
    // A step that is taken sets those of all groups that have a limit; the others stay 1.
    for group in groupCoefficients.indices { groupCoefficients[group] = ScaledDouble(1) }
  }

  /// The first element, by tensor position and then by index, that is not finite: the same for any number of threads.
  func firstOffender<Scalar>(_ table: TensorTable<Scalar>) -> MomentumError {
    for (position, entry) in table.entries.enumerated() {
      guard entry.gradient != nil else { continue }
      for tile in 0..<entry.tiles {
        let sum = table.sums[entry.firstTile + tile]
        guard sum.nan > 0 || sum.infinity > 0 else { continue }
        for index in tile * Tile.count..<min(entry.count, (tile + 1) * Tile.count) {
          let element = table.gradientElement(position, at: index)
          guard element.isFinite else {
            return .nonFiniteGradient(tensor: table.name(of: position), index: index, value: Double(element))
          }
        }
      }
    }
    preconditionFailure("a tile with non-finite elements must hold one")
  }

  /// Finds the coefficient of all tensors.
  func limitWhole<Scalar>(norm: ScaledDouble, _ table: TensorTable<Scalar>, _ outcome: inout Outcome) {
    outcome.report.comparedNorm = norm.double
    var (limit, target) = (settings.globalNorm, settings.targetNorm)
    if settings.adapts {
      switch adaptive?.decide(norm: norm.double) {
      case .limit(let other):
        target = target.map { min($0, other) }
        limit = min(limit ?? .infinity, other)
      case .skip:
        return skip(table, &outcome)
      case nil, .some(.none): break
      }
    }
    let coefficient: ScaledDouble
    if let target {
      coefficient = settings.convention.coefficient(norm: norm, target: target)
    } else if let limit {
      coefficient = settings.convention.coefficient(norm: norm, limit: limit, isWhole: true)
    } else {
      return
    }
    outcome.report.clipCoefficient = coefficient.double
    apply(coefficient, table, &outcome) { settings.isLimited(group: table.decisions[$0].group) }
  }

  // MARK: - Norms

  /// The norm of the true gradients, from the norm of the gradients in memory.
  func value(_ norm: NormPartial) -> ScaledDouble { value(MeasuredNorm(norm)) }

  /// The norm of the true gradients, from the norm of the gradients in memory.
  func value(_ norm: MeasuredNorm) -> ScaledDouble {
    let value = norm.value(finiteOnly: settings.policy == .zero)
    // The number of elements that are not 0 is the same for every multiple of a gradient.
    if case .nonZeros = settings.normType.form { return value }
    return value * gradientFactor
  }

  /// The norm of a tensor's gradient as the last pass measured it, after clipping by value and by unit norms.
  func norm<Scalar>(ofTensor index: Int, _ table: TensorTable<Scalar>, clamps: Bool) -> ScaledDouble {
    if let norm = table.decisions[index].unitClippedNorm { return norm * gradientFactor }
    return value(table.norm(of: index, settings.normType, table.measured(clamped: clamps)))
  }

  /// The norm of a group after the clips of its tensors.
  private func groupNorm<Scalar>(
    _ group: Int, _ table: TensorTable<Scalar>, _ measured: MeasuredTiles
  ) -> NormPartial {
    table.clippedTotal(settings.normType, measured, finiteOnly: settings.policy == .zero) { $0.pointee.group == group }
  }

  /// The norm that is compared with the limit of all tensors together: of those that it limits, after all other clips.
  private func comparedNorm<Scalar>(
    _ total: ScaledDouble, _ table: TensorTable<Scalar>, _ measured: MeasuredTiles, _ outcome: Outcome
  ) -> ScaledDouble {
    if outcome.report.wasClipped || !settings.exempt.isEmpty {
      return value(
        table.clippedTotal(settings.normType, measured, finiteOnly: settings.policy == .zero) {
          settings.isLimited(group: $0.pointee.group)
        })
    }
    return outcome.clamps ? value(table.totalNorm(settings.normType, measured)) : total
  }
}
