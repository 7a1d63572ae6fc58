// The reports about the last step besides the one that the step returned.
extension Optimizer {
  /// The programs of the last step, one for each state that its tensors were in. They show the compiled operations and
  /// the memory traffic (``StepProgram/traffic``).
  public var lastPrograms: [StepProgram] { Array(programs.all) }

  /// The norm of each tensor in the last step, and the effect of clipping on it.
  ///
  /// - Complexity: O(n / 2048): one addition for each tile.
  public func tensorReports() -> [TensorReport] {
    let settings = stage.settings
    return layout.tensors.enumerated().map { index, tensor in
      let (entry, decision) = (table.entries[index], table.decisions[index])
      var norm: Double?
      if settings.asksForNorm, entry.gradient != nil {
        norm = stage.value(table.norm(of: index, settings.normType, table.measured())).double
      }
      return TensorReport(
        name: tensor.name, norm: norm, clipCoefficient: decision.coefficient.double,
        wasClipped: !decision.coefficient.roundsToOne(in: Scalar.self) || decision.clipFactors != nil)
    }
  }

  /// The norm, the coefficient, the learning rate and the momentum of each group in the last step: first of the tensors
  /// in no group, then of the groups in their order.
  ///
  /// ```swift
  /// for group in optimizer.groupReports() { print(group) }
  /// // no group, 1 tensor: norm 3.0, not clipped, learning rate 0.1, momentum 0.9
  /// // group 'biases', 1 tensor: norm 4.0, clipped by 0.25, learning rate 0.2, momentum 0.9
  /// ```
  ///
  /// - Complexity: O(groups · n / 2048): one addition for each tile. Reads no gradient.
  public func groupReports() -> [GroupReport] {
    let settings = stage.settings
    return ([nil] + reportedGroups).enumerated().map { position, name in
      let group = position - 1
      let rule = rules.rule(ofGroup: group)
      var norm: Double?
      if settings.asksForNorm, table.entries.contains(where: { $0.gradient != nil }) {
        norm = stage.value(table.total(settings.normType, table.measured()) { $0.pointee.group == group }).double
      }
      return GroupReport(
        name: name, tensorCount: table.decisions.count { $0.group == group }, norm: norm,
        clipCoefficient: group < 0 ? 1 : stage.groupCoefficients[group].double, learningRate: rule?.conversionRate,
        momentum: rule?.reportedMomentum)
    }
  }

  /// The learning rate of the next step, of the optimizer's own rule; `nil` if it has none.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` if a schedule has no valid value for it.
  public var learningRate: Double? {
    get throws(MomentumError) { try nextRule.conversionRate }
  }

  /// The momentum of the next step, likewise.
  public var momentum: Double? {
    get throws(MomentumError) { try nextRule.reportedMomentum }
  }

  private var nextRule: any UpdateRule {
    get throws(MomentumError) { try rule.resolved(at: stepCount) ?? rule }
  }
}
