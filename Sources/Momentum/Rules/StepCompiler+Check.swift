// The check of the programs that rules compile. Rules come from other packages as well, and a pass trusts its program:
// an operand that is not bound would be a wild address.
extension StepCompiler {
  /// Checks the operations that a rule has appended.
  ///
  /// - Parameters:
  ///   - program: The program of a tensor.
  ///   - before: The operations that the engine had put before those of the rule.
  ///   - rule: What the rule keeps.
  ///   - index: The tensor.
  /// - Throws: ``MomentumError/invalidProgram(tensor:operation:fault:)``.
  @inline(__always)
  func check(
    _ program: UnsafePointer<StepProgram>, behind before: StepProgram.Part, _ rule: StepRules.Traits, tensor index: Int
  ) throws(MomentumError) {
    // Where the rule has put another program in the place of its own, all operations are the rule's.
    let isOwn = program.pointee.beforeRule == before
    if !isOwn || !program.pointee.isAllowed(to: rule) {
      try checkEach(program, from: isOwn ? before.count : 0, rule, tensor: index)
    }
    if before.count > 0 { try checkPreparation(program, tensor: index) }
    if rule.transforms { try checkTransform(program, tensor: index) }
  }

  /// Checks that the operations which prepare the gradient are still there: another program in the place of this one might
  /// step along a gradient that is not clipped.
  @inline(never)
  private func checkPreparation(
    _ program: UnsafePointer<StepProgram>, tensor index: Int
  ) throws(MomentumError) {
    var (position, missing) = (0, Int?.none)
    forEachOwn(of: index) { operation in
      let isThere =
        position < program.pointee.count
        && program.pointee.instruction(at: position) == StepProgram.Instruction(operation)
      if !isThere, missing == nil { missing = position }
      position += 1
    }
    guard let missing else { return }
    throw .invalidProgram(tensor: table.name(of: index), operation: missing, fault: .leavesOutPreparation)
  }

  /// Checks operation by operation.
  @inline(never)
  private func checkEach(
    _ program: UnsafePointer<StepProgram>, from start: Int, _ rule: StepRules.Traits, tensor index: Int
  ) throws(MomentumError) {
    for position in start..<program.pointee.count {
      guard let fault = program.pointee.instruction(at: position).fault(of: rule) else { continue }
      throw .invalidProgram(tensor: table.name(of: index), operation: position, fault: fault)
    }
  }

  /// Checks the operations behind a transform, which another pass runs.
  @inline(never)
  private func checkTransform(
    _ program: UnsafePointer<StepProgram>, tensor index: Int
  ) throws(MomentumError) {
    guard let transform = program.pointee.transformPosition else { return }
    var copyIsWritten = false
    for position in transform + 1..<max(program.pointee.count, transform + 1) {
      let next = program.pointee.instruction(at: position)
      let isRead =
        next.from == .gradient || (!copyIsWritten && (next.from == .copy || next.into == .copy && next.kind != .copy))
      guard next.kind != .transform, !isRead else {
        throw .invalidProgram(
          tensor: table.name(of: index), operation: position,
          fault: next.kind == .transform ? .transformsTwice : .readsAcrossTransform)
      }
      if next.into == .copy { copyIsWritten = true }
    }
  }

  /// Checks that a program has not lost operations for which there was no room.
  @inline(__always)
  func checkLength(_ program: UnsafePointer<StepProgram>, tensor index: Int) throws(MomentumError) {
    guard program.pointee.isTruncated else { return }
    throw .invalidProgram(
      tensor: table.name(of: index), operation: StepProgram.capacity, fault: .tooLong(most: StepProgram.capacity))
  }
}

extension StepProgram {
  /// Whether all operations of the rule are of the kinds that any rule may use, on operands that this one may use: decided by
  /// few instructions, for the usual programs. Operands of the engine's own operations are among these.
  @inline(__always)
  fileprivate func isAllowed(to rule: StepRules.Traits) -> Bool {
    let usual =
      Instruction.Kind.axpy.bit | Instruction.Kind.scal.bit | Instruction.Kind.copy.bit | Instruction.Kind.sign.bit
      | Instruction.Kind.averageSquares.bit | Instruction.Kind.divideByRoot.bit
    return ruleKinds & ~usual == 0 && reads.isSubset(of: rule.sources)
      && writes.isSubset(of: rule.targets)
  }
}

extension StepProgram.Instruction {
  /// What a rule must not do here; `nil` if it may.
  @inline(never)
  fileprivate func fault(of rule: StepRules.Traits) -> ProgramFault? {
    switch kind {
    case .scaleClippingUnits, .scaleRuleUnits: return .scalesUnits
    case .clamp where !(factor.double <= upper): return .invalidBounds(lower: factor.double, upper: upper)
    default: break
    }
    if into == .gradient { return .writesGradient }
    if from == .average || into == .average { return .touchesAverage }
    if !rule.usesVelocity, from == .direction || into == .direction { return .needsVelocity }
    if !rule.usesSecondMoment, from == .secondMoment || into == .secondMoment { return .needsSecondMoment }
    if !rule.transforms, kind == .transform || from == .update || into == .update { return .needsTransform }
    return nil
  }
}
