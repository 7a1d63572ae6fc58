extension StepProgram {
  /// The position of the operation that transforms the whole tensor, if there is one.
  var transformPosition: Int? {
    for position in 0..<count where instruction(at: position).kind == .transform { return position }
    return nil
  }

  /// The operations before the transform: all if there is none.
  var partBeforeTransform: StepProgram { transformPosition.map { part(0..<$0) } ?? self }

  /// The operations behind the transform; `nil` if there is none.
  var partBehindTransform: StepProgram? { transformPosition.map { part($0 + 1..<count) } }

  /// Some of the operations, as a program of their own.
  private func part(_ positions: Range<Int>) -> StepProgram {
    var part = StepProgram()
    for position in positions { part.append(self[position]) }
    return part
  }
}
