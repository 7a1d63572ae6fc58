/// One run of consecutive elements that a program works on: where its operands lie, and what operations on units need to know.
struct ProgramRun<Scalar: BLASScalar> {
  var places = OperandPlaces<Scalar>()
  /// What clipping and the update rule multiply units with.
  private(set) var clipFactors, ruleFactors: TensorTable<Scalar>.Factors?
  /// The place of the first element in its tensor, which says to which unit it belongs.
  var index = 0

  init() {}

  /// The elements of a tensor from one index on.
  @inline(__always)
  init(_ entry: UnsafePointer<TensorTable<Scalar>.Entry>, at index: Int) {
    places = OperandPlaces(
      gradient: entry.pointee.gradient.map { $0 + index }, direction: entry.pointee.direction.map { $0 + index },
      parameters: entry.pointee.parameters.map { $0 + index }, average: entry.pointee.average.map { $0 + index })
  }

  /// Adds what operations on units need.
  mutating func setFactors(_ decision: UnsafePointer<TensorTable<Scalar>.Decision>, at index: Int) {
    (clipFactors, ruleFactors, self.index) = (decision.pointee.clipFactors, decision.pointee.ruleFactors, index)
  }
}
