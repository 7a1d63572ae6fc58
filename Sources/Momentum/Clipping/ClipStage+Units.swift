// Limits that hold for each unit of a tensor.
extension ClipStage {
  /// Measures the units of the tensors that have a limit for each, and finds their factors.
  ///
  /// Tensors of one unit are left to what is known of them already.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` for units that a tensor does not have.
  func limitUnits<Scalar>(
    _ table: TensorTable<Scalar>, _ team: ThreadTeam, _ outcome: inout Outcome
  ) throws(MomentumError) {
    var found: [(index: Int, slot: UnitMemory<Scalar>.Slot, limit: Double)] = []
    for index in table.entries.indices where table.entries[index].gradient != nil {
      let clipping = settings.clipping(ofGroup: table.decisions[index].group)
      guard let limit = clipping.norm, let units = clipping.normUnits else { continue }
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
        let changes = Self.changes(coefficient, Scalar.self)
        if changes { slot.factors.set(unit, to: coefficient) }
        whole.add(norm: changes ? norm * coefficient : norm)
      }
      guard !slot.factors.changesNothing else { continue }
      outcome.report.wasClipped = true
      table.decisions[index].clipFactors = .passUnretained(slot.factors)
      table.decisions[index].unitClippedNorm = whole.scaledNorm
    }
  }

  /// Whether a tensor is limited by the norms of its units, and has more than one.
  func isLimitedByUnits<Scalar>(_ index: Int, _ table: TensorTable<Scalar>) throws(MomentumError) -> Bool {
    let clipping = settings.clipping(ofGroup: table.decisions[index].group)
    guard clipping.norm != nil, let units = clipping.normUnits else { return false }
    return try !table.unitSlot(.clipping, of: index, units).grid.isWhole
  }
}

extension Convention {
  /// The factor that brings a gradient of root mean square r to the limit t: `1 / max(1, r/t)`.
  ///
  /// Optax is the one library with such a clip, so there is one formula; only an infinite gradient, which Optax makes 0 where it
  /// is finite, is NaN under the other conventions.
  func coefficient(rootMeanSquare: ScaledDouble, limit: Double) -> ScaledDouble {
    let one = ScaledDouble(1)
    if limit == .infinity || rootMeanSquare.significand == 0 { return one }
    if rootMeanSquare.significand.isInfinite { return ScaledDouble(self == .optax ? 0 : .nan) }
    return rootMeanSquare <= ScaledDouble(limit) ? one : ScaledDouble(limit) / rootMeanSquare
  }
}
