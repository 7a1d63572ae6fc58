/// The loop of a program on tensors with operands in half precision, with the factors of the step.
struct HalfProgramLoop<Scalar: BLASScalar> {
  private let loop: FusedHalfLoop
  /// Those of a ``ProgramLoop``.
  private let factors: UnsafePointer<Scalar>

  /// - Parameter factors: ``ProgramLoop/factorCount`` numbers, which stay where they are.
  @inline(__always)
  init(_ loop: FusedHalfLoop, _ factors: UnsafeMutablePointer<Scalar>) {
    (self.loop, self.factors) = (loop, UnsafePointer(factors))
  }

  /// Runs the loop on some elements of a tensor, whose operands are stored as `halves` say.
  @inline(__always)
  func run(
    _ table: TensorTable<Scalar>, _ index: Int, _ part: Range<Int>, _ halves: HalfOperands,
    _ scratch: ThreadScratch<Scalar>
  ) {
    let (entry, start) = (table.entry(index), part.lowerBound)
    @inline(__always)
    func address(_ base: UnsafeMutablePointer<Scalar>?, _ byteCount: Int) -> UnsafeMutableRawPointer? {
      base.map { UnsafeMutableRawPointer($0) + start &* byteCount }
    }
    var run = FusedHalfLoop.Run(
      gradient: address(entry.pointee.gradient, halves.gradient?.byteCount ?? 4),
      direction: address(entry.pointee.direction, table.hasHalfDirection ? 2 : 4),
      parameters: address(entry.pointee.parameters, halves.parameters == nil ? 4 : 2),
      index: start, step: table.directionStep ?? table.halves.step, key: 0, saturates: table.halves.saturates)
    if halves.parameters != nil || halves.copy != nil {
      let half = table.halfEntry(index)
      (run.second, run.key) = (half.pointee.second.map { $0 + 2 &* start }, half.pointee.key)
    }
    let losses = loop.run(run, UnsafeRawPointer(factors).assumingMemoryBound(to: Float.self), part.count)
    scratch.overflowed.pointee += losses.overflowed
    scratch.lost.pointee += losses.keptBits
  }
}

extension TensorTable {
  /// How the operands of a tensor are stored, for loops; `nil` for a way that no loop has.
  @inline(__always)
  func storageOfLoop(_ halves: HalfOperands) -> FusedHalfLoop.Storage? {
    // A direction is rounded by the number of the step.
    guard let parameters = halves.parametersOfLoop, !hasHalfDirection || directionStep != nil else { return nil }
    return FusedHalfLoop.Storage(gradient: halves.gradient, hasHalfDirection: hasHalfDirection, parameters)
  }
}
