// Reading and multiplying the vectors that an optimizer keeps.
extension Optimizer {
  /// Multiplies one operand of each tensor.
  func multiply(_ operand: Operand, by factors: [ScaledDouble]) {
    let call = EngineCall.begin()
    defer { call.end() }
    var programs: [StepProgram] = []
    for (index, factor) in factors.enumerated() {
      var program = StepProgram()
      if factor != ScaledDouble(1) { program.append(.scal(factor: factor, operand)) }
      if programs.last != program { programs.append(program) }
      table.entries[index].program = programs.count - 1
    }
    programs.withUnsafeBufferPointer { table.update($0, team) }
  }

  /// The elements of one tensor in a vector that is kept; none if there is no vector yet.
  func part(of vector: borrowing LazyVector<Scalar>, tensor index: Int) -> UnsafeBufferPointer<Scalar> {
    guard let base = vector.base else { return UnsafeBufferPointer(start: nil, count: 0) }
    return UnsafeBufferPointer(start: base + table.entries[index].offset, count: table.entries[index].count)
  }
}
