/// The operations before or behind a transform, on all tiles of a wave of tensors.
struct StagedWork<Scalar: BLASScalar>: TeamWork, @unchecked Sendable {  // each thread writes its own elements
  let stage: MatrixStage<Scalar>
  /// The members of the stage, and the number of elements of their updates.
  let wave: Range<Int>
  let count: Int
  let update: UnsafeMutablePointer<Scalar>
  /// Whether the operations are those before the transform.
  let isFirst: Bool
  let table: TensorTable<Scalar>
  let programs: UnsafeBufferPointer<StepProgram>
  let team: ThreadTeam
  let scratch: UnsafeMutableRawPointer

  func run(thread: Int) {
    Self.run(self, team.share(of: thread, count: count), ThreadScratch(scratch, thread: thread))
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func run(_ work: StagedWork, _ share: Range<Int>, _ scratch: ThreadScratch<Scalar>) {
    let table = work.table
    var (runner, halves) = (TileRunner<Scalar>(scratch), HalfRunner(table, scratch))
    for index in work.wave {
      let member = work.stage.members[index]
      let (lower, upper) = (max(share.lowerBound - member.start, 0), min(share.upperBound - member.start, member.count))
      guard member.program >= 0, lower < upper, work.isFirst || member.epilogue == nil else { continue }
      let program = work.programs[member.program]
      // Without a transform nothing is behind it but copies in half precision.
      let part = work.isFirst ? program.partBeforeTransform : program.partBehindTransform ?? StepProgram()
      let update = work.update + member.start
      withUnsafePointer(to: part) { part in
        if table.usesHalves {
          halves.load(part)
          halves.update = update
          return halves.run(member.tensor, lower..<upper, isLast: !work.isFirst)
        }
        // Behind a transform in the way of an epilogue, also where there is none.
        runner.program.load(part, cacheBytes: work.isFirst ? table.cacheBytes : .max, table.kernels)
        runner.current.bind(table, member.tensor, at: lower)
        runner.current.places[base: .update] = update + lower
        if runner.program.scalesUnits { runner.current.setFactors(table.decision(member.tensor), at: lower) }
        runner.execute(upper - lower, .backwards)
      }
    }
  }
}
