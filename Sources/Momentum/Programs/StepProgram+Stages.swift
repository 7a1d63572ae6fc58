extension StepProgram {
  /// The position of the operation that transforms the whole tensor, if there is one.
  var transformPosition: Int? {
    for position in 0..<count where instruction(at: position).kind == .transform { return position }
    return nil
  }

  /// Some of the operations, as a program of their own.
  func part(_ positions: Range<Int>) -> StepProgram {
    var part = StepProgram()
    for position in positions { part.append(self[position]) }
    return part
  }
}
