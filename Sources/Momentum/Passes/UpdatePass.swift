extension TensorTable {
  /// Runs each tensor's program of a buffer, which the call keeps alive: the pass itself knows only where programs lie.
  @inline(__always)
  func update(_ programs: ProgramBuffer, _ team: ThreadTeam) {
    withExtendedLifetime(programs) { update(programs.all, team) }
  }

  /// The second pass: runs each tensor's program, all operations on one tile before the next tile.
  ///
  /// - Parameter programs: The programs that ``Entry/program`` counts.
  func update(_ programs: UnsafeBufferPointer<StepProgram>, _ team: ThreadTeam) {
    let scratch = scratch(threads: team.mostCount)
    if team.count == 1 { return Self.update(self, 0..<count, programs, ThreadScratch(scratch, thread: 0)) }
    team.run(UpdateWork(table: self, programs: programs, team: team, scratch: scratch))
  }

  private struct UpdateWork: TeamWork, @unchecked Sendable {  // each thread writes its own elements and scratch memory
    let table: TensorTable
    let programs: UnsafeBufferPointer<StepProgram>
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      TensorTable.update(
        table, team.share(of: thread, count: table.count), programs, ThreadScratch(scratch, thread: thread))
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func update(
    _ table: TensorTable, _ share: Range<Int>, _ programs: UnsafeBufferPointer<StepProgram>,
    _ scratch: ThreadScratch<Scalar>
  ) {
    if table.usesHalves { return updateHalves(table, share, programs, scratch) }
    var runner = TileRunner<Scalar>(scratch)
    var loaded = -1
    // Tensors that are adjacent in memory and have the same program are run as one. This is possible because an
    // element's bits depend only on its own values and the factors, not on where its tile begins.
    var (run, count) = (ProgramRun<Scalar>(), 0)
    table.forEachReversed(in: share) { index, part in
      let entry = table.entry(index)
      guard entry.pointee.program >= 0 else { return }
      let here = ProgramRun<Scalar>(table, index, at: part.lowerBound)
      if count > 0, loaded == entry.pointee.program, here.places.end(at: run.places, after: part.count),
        !runner.program.scalesUnits
      {
        (run, count) = (here, count + part.count)
        return
      }
      if count > 0 { runner.execute(run, count) }
      if loaded != entry.pointee.program {
        loaded = entry.pointee.program
        runner.program.load(
          programs.baseAddress.unsafelyUnwrapped + loaded, cacheBytes: table.cacheBytes, table.kernels)
      }
      (run, count) = (here, part.count)
      if runner.program.scalesUnits { run.setFactors(table.decision(index), at: part.lowerBound) }
    }
    if count > 0 { runner.execute(run, count) }
  }
}
