/// The single pass of ``StepMode/onePass``: sums and updates piece by piece, as if nothing had to be clipped.
///
/// The tiles are divided into segments, whose number does not depend on the number of threads. Each segment keeps the
/// sum of its squares. When this sum exceeds the square of the limit, the norm of all tensors exceeds the limit too, so
/// the segment stops updating and only sums the rest. A NaN or infinite element stops it too, unless such elements count
/// as 0. Which elements the pass updates therefore depends on the gradient and the segments, never on the threads.
final class SpeculativePass {
  /// Made by the first pass.
  private var segments: SpeculativeSegments?

  deinit { segments?.deallocate() }

  /// Sums all tiles into the table. In each segment, runs programs on the pieces before the one with which the segment's
  /// sum exceeds the limit (``SpeculativeTrial``).
  ///
  /// - Parameter loop: The loop of the only program, if it has a ``SpeculativeLoop``.
  func run<Scalar>(
    _ table: TensorTable<Scalar>, _ programs: UnsafeBufferPointer<StepProgram>, _ loop: ProgramLoop<Scalar>?,
    largestSum: Double, algorithm: NormAlgorithm, ignoresNonFinite: Bool, _ team: ThreadTeam
  ) {
    let segments = segments ?? SpeculativeSegments(table)
    self.segments = segments
    let trial = SpeculativeTrial<Scalar>(
      largestSum: largestSum, table.halves.algorithm(algorithm) == .blas ? .squares : .portableSquares,
      ignoresNonFinite: ignoresNonFinite, isHalf: table.usesHalves)
    let (order, scratch) = (table.takeOrder(), table.scratch(threads: team.mostCount))
    if team.count == 1 {
      SpeculativeWork.run(
        table, programs, loop, segments, order.numbers(in: segments.all), trial,
        ThreadScratch<Scalar>(scratch, thread: 0))
    } else {
      team.run(
        SpeculativeWork(
          table: table, programs: programs, loop: loop, segments: segments, order: order, trial: trial, team: team,
          scratch: scratch))
    }
  }

  /// Runs `corrections`, unless there are none, on the elements that ``run(_:_:_:largestSum:algorithm:ignoresNonFinite:_:)``
  /// updated, and `programs` on all others.
  func finish<Scalar>(
    _ table: TensorTable<Scalar>, updated corrections: UnsafeBufferPointer<StepProgram>,
    rest programs: UnsafeBufferPointer<StepProgram>, _ team: ThreadTeam
  ) {
    guard let segments else { return }
    team.run(
      FinishingWork(
        table: table, corrections: corrections, programs: programs, segments: segments, order: table.takeOrder(),
        team: team, scratch: table.scratch(threads: team.mostCount)))
  }

  /// Whether the pass updated everything.
  var updatedAll: Bool { segments?.areUpdated ?? false }
}

/// Each thread writes the elements of its own segments.
private struct FinishingWork<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {
  let table: TensorTable<Scalar>
  let corrections, programs: UnsafeBufferPointer<StepProgram>
  let segments: SpeculativeSegments
  let order: PassOrder
  let team: ThreadTeam
  let scratch: UnsafeMutableRawPointer

  func run(thread: Int) {
    let scratch = ThreadScratch<Scalar>(scratch, thread: thread)
    for segment in order.numbers(in: segments.share(of: thread, team)) {
      let (all, middle) = (segments[segment], segments.updated[segment])
      if !corrections.isEmpty { TensorTable.update(table, all.lowerBound..<middle, corrections, order, scratch) }
      TensorTable.update(table, middle..<all.upperBound, programs, order, scratch)
    }
  }
}
