// The units of the tensors of a table.
extension TensorTable {
  /// The factors that an operation ``StepOperation/scaleUnits(_:inPlace:)`` multiplies by; they live in ``units``.
  typealias Factors = Unmanaged<UnitFactors<Scalar>>

  /// The units of a tensor; see ``UnitMemory/slot(_:of:count:_:shape:name:)``.
  func unitSlot(
    _ scaling: UnitScaling, of index: Int, _ units: TensorUnits
  ) throws(MomentumError) -> UnitMemory<Scalar>.Slot {
    try self.units.slot(
      scaling, of: index, count: entries[index].count, units, shape: shapes.isEmpty ? nil : shapes[index]
    ) { name(of: index) }
  }

  /// The source of the unit norms of a tensor's gradient: after clipping by value and, for rules, also by unit norms.
  func unitSource(_ index: Int, _ scaling: UnitScaling, clearsNonFinite: Bool) -> UnitSource<Scalar> {
    let decision = decisions[index]
    var source = UnitSource(UnsafePointer(entries[index].gradient.unsafelyUnwrapped))
    source.clearsNonFinite = clearsNonFinite
    source.half = halfGradient(index)
    source.bounds = decision.bounds
    if scaling == .rule { source.factors = decision.clipFactors?.takeUnretainedValue() }
    return source
  }
}
