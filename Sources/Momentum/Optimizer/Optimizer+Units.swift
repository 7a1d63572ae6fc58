// Factors that update rules find for each unit of a tensor.
extension Optimizer {
  /// A tensor whose rule scales units.
  private struct ScaledTensor {
    let index: Int
    let rule: any UpdateRule
    let slot: UnitMemory<Scalar>.Slot
  }

  /// Measures the units that rules need, of the gradient after clipping and of the parameters, and finds their factors.
  ///
  /// The factor of a tensor that is one unit is folded into its program. Other tensors take one more operation, on a
  /// scratch copy of the gradient. The parameters of these tensors are read once more, and so are the gradients, unless
  /// the clip stage has measured what is needed.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for units that a tensor does not have.
  mutating func scaleUnits(
    _ outcome: ClipStage.Outcome, _ team: ThreadTeam
  ) throws(MomentumError) {
    var tensors: [ScaledTensor] = []
    for index in table.entries.indices {
      guard table.entries[index].gradient != nil else { continue }
      let rule = rules[table.decisions[index].group]
      guard let units = rule.units else { continue }
      let slot = try table.unitSlot(.rule, of: index, units)
      tensors.append(ScaledTensor(index: index, rule: rule, slot: slot))
    }
    guard !tensors.isEmpty else { return }
    measureUnits(tensors, outcome, team)

    for tensor in tensors {
      let (slot, rule) = (tensor.slot, tensor.rule)
      slot.factors.reset()
      for unit in 0..<slot.grid.unitCount {
        let factor = rule.unitFactor(
          gradientNorm: slot.gradientNorms[unit], parameterNorm: slot.parameterNorms[unit])
        if slot.grid.isWhole {
          table.decisions[tensor.index].ruleFactor = factor
        } else if !factor.roundsToOne(in: Scalar.self) {
          slot.factors.set(unit, to: factor)
        }
      }
      if !slot.factors.changesNothing { table.decisions[tensor.index].ruleFactors = .passUnretained(slot.factors) }
    }
  }

  private func measureUnits(
    _ tensors: [ScaledTensor], _ outcome: ClipStage.Outcome, _ team: ThreadTeam
  ) {
    var gradients: [UnitNorms<Scalar>.Request] = []
    var parameters: [UnitNorms<Scalar>.Request] = []
    for tensor in tensors {
      let (slot, coefficient) = (tensor.slot, table.decisions[tensor.index].coefficient)
      let address = UnsafePointer(table.entries[tensor.index].parameters.unsafelyUnwrapped)
      let half = table.halfParameters(tensor.index)
      var own = UnitSource(address)
      own.half = half
      parameters.append(UnitNorms.Request(norms: slot.norms, source: own, results: slot.parameterNorms))
      if slot.grid.isWhole, tensor.rule.unitDecay == 0, stage.settings.asksForNorm, stage.settings.normType == .l2 {
        let norm = stage.norm(ofTensor: tensor.index, table, clamps: outcome.clamps)
        slot.gradientNorms[0] = norm * coefficient
        continue
      }
      var source = table.unitSource(tensor.index, .rule, clearsNonFinite: outcome.clearsNonFinite)
      source.factor = coefficient * stage.gradientFactor
      (source.parameters, source.halfParameters, source.decay) = (address, half, tensor.rule.unitDecay)
      gradients.append(UnitNorms.Request(norms: slot.norms, source: source, results: slot.gradientNorms))
    }
    // One after the other, because both use the memory of the same sums.
    UnitNorms.measure(gradients, team)
    UnitNorms.measure(parameters, team)
  }
}
