// The limits of tensors and of groups, and the coefficients that follow from norms.
extension ClipStage {
  /// Finds the coefficients of the tensors that have limits of their own.
  func limitTensors<Scalar>(
    _ table: TensorTable<Scalar>, _ measured: MeasuredTiles, _ outcome: inout Outcome
  ) throws(MomentumError) {
    for index in table.entries.indices where table.entries[index].gradient != nil {
      if settings.limitsUnits, try isLimitedByUnits(index, table) { continue }
      guard let coefficient = coefficientOfTensor(index, table, measured), !coefficient.roundsToOne(in: Scalar.self)
      else {
        continue
      }
      outcome.report.wasClipped = true
      table.decisions[index].coefficient = table.decisions[index].coefficient * coefficient
    }
  }

  /// The coefficient from the limit of a tensor as a whole (not of its units); `nil` if it has no such limit.
  private func coefficientOfTensor<Scalar>(
    _ index: Int, _ table: TensorTable<Scalar>, _ measured: MeasuredTiles
  ) -> ScaledDouble? {
    let limits = settings.limits(ofGroup: table.decisions[index].group)
    guard limits.norm != nil || (limits.rootMeanSquare != nil && table.entries[index].count > 0) else { return nil }
    let found = table.norm(of: index, settings.normType, measured).value(finiteOnly: settings.policy == .zero)
    table.decisions[index].tensorNorm = found
    let norm = found * gradientFactor
    if let limit = limits.norm { return settings.convention.coefficient(norm: norm, limit: limit, isWhole: false) }
    return limits.rootMeanSquare.map {
      let count = Double(table.entries[index].count)
      return settings.convention.coefficient(rootMeanSquare: norm / ScaledDouble(count.squareRoot()), limit: $0)
    }
  }

  /// Finds the coefficient of a group's tensors.
  func limitGroup<Scalar>(
    _ group: Int, to limit: Double, norm: NormPartial, _ table: TensorTable<Scalar>, _ outcome: inout Outcome
  ) {
    let coefficient = settings.convention.coefficient(norm: value(norm), limit: limit, isWhole: true)
    keep(coefficient, ofGroup: group)
    apply(coefficient, table, &outcome) { table.decisions[$0].group == group }
  }

  /// Multiplies the coefficients of some tensors by another coefficient.
  func apply<Scalar>(
    _ coefficient: ScaledDouble, _ table: TensorTable<Scalar>, _ outcome: inout Outcome, to isMeant: (Int) -> Bool
  ) {
    guard !coefficient.roundsToOne(in: Scalar.self) else { return }
    outcome.report.wasClipped = true
    for index in table.entries.indices where table.entries[index].gradient != nil && isMeant(index) {
      table.decisions[index].coefficient = table.decisions[index].coefficient * coefficient
    }
  }
}
