/// A run of consecutive elements that a program works on: where its operands lie, and the data for operations on units.
struct ProgramRun<Scalar: BLASScalar> {
  var places = OperandPlaces<Scalar>()
  /// The factors of the units, from clipping and from the update rule.
  private(set) var clipFactors, ruleFactors: TensorTable<Scalar>.Factors?
  /// The index of the first element in its tensor, which determines its unit.
  var index = 0

  init() {}

  /// The elements of a tensor from one index on.
  @inline(__always)
  init(_ table: TensorTable<Scalar>, _ tensor: Int, at index: Int) {
    let entry = table.entry(tensor)
    places = OperandPlaces(
      gradient: entry.pointee.gradient.map { $0 + index }, direction: entry.pointee.direction.map { $0 + index },
      parameters: entry.pointee.parameters.map { $0 + index }, average: entry.pointee.average.map { $0 + index },
      secondMoment: table.secondMoment.map { $0 + (entry.pointee.offset + index) })
  }

  /// Sets the factors that operations on units use.
  mutating func setFactors(_ decision: UnsafePointer<TensorTable<Scalar>.Decision>, at index: Int) {
    (clipFactors, ruleFactors, self.index) = (decision.pointee.clipFactors, decision.pointee.ruleFactors, index)
  }
}
