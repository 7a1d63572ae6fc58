/// A run of consecutive elements that a program works on: where its operands lie, and the data for operations on units.
struct ProgramRun<Scalar: BLASScalar> {
  var places = OperandPlaces<Scalar>()
  /// The factors of the units, from clipping and from the update rule.
  private(set) var clipFactors, ruleFactors: TensorTable<Scalar>.Factors?
  /// The index of the first element in its tensor, which determines its unit.
  var index = 0

  init() {}

  /// Begins with an element of a tensor. Written where it stays: to copy a run that has just been put together takes the
  /// processor longer than to put it together.
  @inline(__always)
  mutating func bind(_ table: TensorTable<Scalar>, _ tensor: Int, at index: Int) {
    places.bind(table, tensor: tensor, at: index)
  }

  /// Whether every vector of a tensor, `count` elements behind an index, or before it if negative, is where that of this run
  /// begins.
  @inline(__always)
  func continues(_ table: TensorTable<Scalar>, _ tensor: Int, at index: Int, after count: Int) -> Bool {
    var meets = true
    OperandPlaces.forEachAddress(table, tensor, at: index + count) { operand, address in
      if address != places[base: operand] { meets = false }
    }
    return meets
  }

  /// Sets the factors that operations on units use.
  mutating func setFactors(_ decision: UnsafePointer<TensorTable<Scalar>.Decision>, at index: Int) {
    (clipFactors, ruleFactors, self.index) = (decision.pointee.clipFactors, decision.pointee.ruleFactors, index)
  }
}

extension OperandPlaces {
  /// The places of a tensor's vectors, from an element on.
  @inline(__always)
  init(_ table: TensorTable<Scalar>, tensor: Int, at index: Int) {
    self.init()
    bind(table, tensor: tensor, at: index)
  }

  /// Sets the places to those of a tensor's vectors, from an element on.
  @inline(__always)
  mutating func bind(_ table: TensorTable<Scalar>, tensor: Int, at index: Int) {
    Self.forEachAddress(table, tensor, at: index) { operand, address in self[base: operand] = address }
  }

  /// Tells where the vectors of a tensor have an element; `nil` for those that are not there.
  @inline(__always)
  fileprivate static func forEachAddress(
    _ table: TensorTable<Scalar>, _ tensor: Int, at index: Int,
    _ body: (Operand, UnsafeMutablePointer<Scalar>?) -> Void
  ) {
    let entry = table.entry(tensor)
    body(.gradient, entry.pointee.gradient.map { $0 + index })
    body(.direction, entry.pointee.direction.map { $0 + index })
    body(.parameters, entry.pointee.parameters.map { $0 + index })
    body(.average, entry.pointee.average.map { $0 + index })
    body(.secondMoment, table.secondMoment.map { $0 + (entry.pointee.offset + index) })
  }
}
