// Limits of each unit of a tensor.
extension ClipStage {
  /// Measures the units of the tensors whose units have limits, and finds the units' factors.
  ///
  /// A tensor that is one unit is not measured here: its norm is known from its tile sums.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for units that a tensor does not have.
  func limitUnits<Scalar>(
    _ table: TensorTable<Scalar>, _ team: ThreadTeam, _ outcome: inout Outcome
  ) throws(MomentumError) {
    var found: [(index: Int, slot: UnitMemory<Scalar>.Slot, limit: Double)] = []
    for index in table.entries.indices where table.entries[index].gradient != nil {
      let clipping = settings.clipping(ofGroup: table.decisions[index].group)
      guard let (limit, units) = clipping.unitLimit else { continue }
      let slot = try table.unitSlot(.clipping, of: index, units)
      if !slot.grid.isWhole { found.append((index, slot, limit)) }
    }
    guard !found.isEmpty else { return }

    UnitNorms.measure(
      found.map {
        UnitNorms.Request(
          norms: $0.slot.norms,
          source: table.unitSource($0.index, .clipping, clearsNonFinite: outcome.clearsNonFinite),
          results: $0.slot.gradientNorms)
      }, team)
    for (index, slot, limit) in found {
      var whole = NormPartial(unchecked: .l2)
      slot.factors.reset()
      for (unit, norm) in slot.gradientNorms.enumerated() {
        let coefficient = settings.convention.coefficient(norm: norm * gradientFactor, limit: limit, isWhole: false)
        let changes = !coefficient.roundsToOne(in: Scalar.self)
        if changes { slot.factors.set(unit, to: coefficient) }
        whole.add(norm: changes ? norm * coefficient : norm)
      }
      guard !slot.factors.changesNothing else { continue }
      outcome.report.wasClipped = true
      table.decisions[index].clipFactors = .passUnretained(slot.factors)
      table.decisions[index].unitClippedNorm = whole.scaledNorm
    }
  }

  /// Whether a tensor has limits for its units, and more than one unit.
  func isLimitedByUnits<Scalar>(_ index: Int, _ table: TensorTable<Scalar>) throws(MomentumError) -> Bool {
    let clipping = settings.clipping(ofGroup: table.decisions[index].group)
    guard let (_, units) = clipping.unitLimit else { return false }
    return try !table.unitSlot(.clipping, of: index, units).grid.isWhole
  }
}
