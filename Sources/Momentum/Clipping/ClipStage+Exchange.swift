// Deciding together with the other owners of a gradient.
extension ClipStage {
  /// Measures, meets the other owners, and decides as one owner of all would; see ``decide(_:_:_:_:)``.
  ///
  /// The clips by value, by the norms of units and by those of tensors are decisions of each owner alone. They come
  /// before the first meeting but that of a general p, so that one meeting suffices unless groups have limits.
  ///
  /// - Parameter isMeasured: Whether the table holds the tile sums of the gradients already.
  func decide<Scalar>(
    _ table: TensorTable<Scalar>, _ outcome: inout Outcome, _ team: ThreadTeam, isMeasured: Bool = false,
    _ meetings: NormMeetings
  ) throws(MomentumError) {
    // All owners or none: their powers are measured on one scale.
    outcome.clamps = settings.clipsValues && settings.comparesNorm
    var measured = try measure(table, outcome, team, isMeasured && !outcome.clamps, meetings)
    let isFinite = measured.total.nanCount + measured.total.infinityCount == 0
    if !isFinite {
      // All owners throw this error, at the next meeting.
      if settings.policy == .throw { throw firstOffender(table) }
      outcome.clearsNonFinite = settings.policy == .zero
    }
    let total =
      meetings.sharesTensors
      ? table.total(settings.normType, table.measured()) { !$0.pointee.isCountedElsewhere }
      : table.total(settings.normType, table.measured())

    let tiles = table.measured(clamped: outcome.clamps)
    if settings.limitsUnits { try limitUnits(table, team, &outcome) }
    if settings.limitsTensors { try limitTensors(table, tiles, &outcome) }
    let groups = settings.groups.indices.filter { settings.groups[$0]?.globalNorm != nil }
    func inGroup(_ group: Int) -> (UnsafePointer<TensorTable<Scalar>.Decision>) -> Bool {
      { $0.pointee.group == group && !$0.pointee.isCountedElsewhere }
    }
    func isLimited(_ decision: UnsafePointer<TensorTable<Scalar>.Decision>) -> Bool {
      settings.isLimited(group: decision.pointee.group) && !decision.pointee.isCountedElsewhere
    }
    var message = [total, clippedSum(table, tiles, where: isLimited)]
    for group in groups { message.append(clippedSum(table, tiles, where: inGroup(group))) }
    var all = try meetings.merge(message, counts: [measured.valueClippedCount, outcome.report.wasClipped ? 1 : 0])
    measured = GradientMeasurement(total: MeasuredNorm(all.partials[0]), valueClippedCount: all.counts[0])
    report(measured, value(measured.total), &outcome)
    if !isFinite, measured.total.nanCount + measured.total.infinityCount == 0 {
      throw .invalidSetting(
        name: "countedElsewhere", value: "tensors whose gradients hold a NaN or an infinity here only",
        expected: "the same gradients by all owners of a tensor")
    }
    guard try accepts(measured, table, &outcome) else { return }

    for (group, partial) in zip(groups, all.partials[2...]) {
      guard let limit = settings.groups[group]?.globalNorm else { continue }
      let norm = try rescaled(partial, table, tiles, meetings, where: inGroup(group))
      limitGroup(group, to: limit, norm: norm, table, &outcome)
    }
    if !groups.isEmpty {
      all = try meetings.merge(
        [total, clippedSum(table, tiles, where: isLimited)], counts: [0, outcome.report.wasClipped ? 1 : 0])
    }
    outcome.report.wasClipped = all.counts[1] > 0
    var compared = all.partials[1]
    if outcome.report.wasClipped || !settings.exempt.isEmpty {
      compared = try rescaled(compared, table, tiles, meetings, where: isLimited)
    }
    if settings.comparesNorm { limitWhole(norm: value(compared), table, &outcome) }
  }

  /// Measures the gradients of this owner; the tiles of a general p are added on the scale of the largest of all owners.
  private func measure<Scalar>(
    _ table: TensorTable<Scalar>, _ outcome: Outcome, _ team: ThreadTeam, _ isMeasured: Bool, _ meetings: NormMeetings
  ) throws(MomentumError) -> GradientMeasurement {
    if isMeasured { return GradientMeasurement(total: table.totalNorm(settings.normType, table.measured())) }
    let measured = table.measure(measurementPlan(outcome), team)
    guard case .p = settings.normType.form else { return measured }
    let own = [table.divisor, table.clampedDivisor]
    let largest = try meetings.merge(own.map { Self.maximum(of: $0) }).partials.map { $0.finiteNorm.double }
    (table.divisor, table.clampedDivisor) = (largest[0], largest[1])
    return measured
  }

  private func clippedSum<Scalar>(
    _ table: TensorTable<Scalar>, _ measured: MeasuredTiles,
    where isMeant: (UnsafePointer<TensorTable<Scalar>.Decision>) -> Bool
  ) -> NormPartial {
    table.clippedSum(settings.normType, measured, finiteOnly: settings.policy == .zero, where: isMeant)
  }

  /// The norm of all owners' tensors after they were clipped, added up anew if they are too small on the scale of the
  /// elements: on that of the largest norm.
  private func rescaled<Scalar>(
    _ norm: NormPartial, _ table: TensorTable<Scalar>, _ measured: MeasuredTiles, _ meetings: NormMeetings,
    where isMeant: (UnsafePointer<TensorTable<Scalar>.Decision>) -> Bool
  ) throws(MomentumError) -> NormPartial {
    guard norm.hasVanishingSum(finiteOnly: settings.policy == .zero) else { return norm }
    let norms = table.clippedNorms(settings.normType, measured, finiteOnly: settings.policy == .zero, where: isMeant)
    guard let largest = try self.largest(ScaledDouble.largest(norms), meetings) else { return norm }
    return try meetings.merge([NormPartial(unchecked: settings.normType, of: norms, largest: largest)]).partials[0]
  }

  /// The largest of all owners' positive numbers, in two meetings, because it may lie outside the range of `Double`: first
  /// its exponent, then its significand.
  private func largest(_ own: ScaledDouble?, _ meetings: NormMeetings) throws(MomentumError) -> ScaledDouble? {
    // Exponents of norms and coefficients are far nearer to 0; 0 stands for no number.
    let offset = 1 << 20
    let exponent = try maximum(own.map { Double($0.exponent + offset) } ?? 0, meetings)
    guard exponent > 0 else { return nil }
    let significand = own.map { Double($0.exponent + offset) == exponent ? $0.significand : 0 } ?? 0
    return ScaledDouble(try maximum(significand, meetings), exponent: Int(exponent) - offset)
  }

  private func maximum(_ own: Double, _ meetings: NormMeetings) throws(MomentumError) -> Double {
    try meetings.merge([Self.maximum(of: own)]).partials[0].finiteNorm.double
  }

  private static func maximum(of own: Double) -> NormPartial {
    var partial = NormPartial(unchecked: .infinity)
    partial.add(norm: ScaledDouble(own))
    return partial
  }
}
