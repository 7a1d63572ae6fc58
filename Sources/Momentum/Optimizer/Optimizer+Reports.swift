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
}
