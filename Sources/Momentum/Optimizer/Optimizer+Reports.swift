// What an optimizer tells of its last step besides the report that the step returned.
extension Optimizer {
  /// The programs that the last step ran, one for each state that its tensors were in: what was compiled, and what it moves
  /// (``StepProgram/traffic``).
  public var lastPrograms: [StepProgram] { Array(programs.all) }

  /// The norm of each tensor in the last step, and what clipping did to it.
  ///
  /// - Complexity: O(n / 2048): one addition for each tile.
  public func tensorReports() -> [TensorReport] {
    let settings = stage.settings
    return layout.tensors.enumerated().map { index, tensor in
      let (entry, decision) = (table.entries[index], table.decisions[index])
      var norm: Double?
      if settings.asksForNorm, entry.gradient != nil {
        norm = stage.value(table.norm(of: index, settings.normType, table.sums)).double
      }
      return TensorReport(
        name: tensor.name, norm: norm, clipCoefficient: decision.coefficient.double,
        wasClipped: !decision.coefficient.roundsToOne(in: Scalar.self) || decision.clipFactors != nil)
    }
  }
}
