extension TensorTable {
  /// Runs each tensor's program of a buffer, which the call keeps alive: the pass itself knows only where programs lie.
  ///
  /// - Parameter asVector: Whether each operand of all tensors is one vector in memory. With one program, which is a loop,
  ///   no tensor has to be looked at.
  @inline(__always)
  func update(_ programs: ProgramBuffer<Scalar>, asVector: Bool = false, _ team: ThreadTeam) {
    withExtendedLifetime(programs) {
      if usesHalves {
        if let loop = onlyHalfLoop(programs) { updateHalves(loop, team) } else { update(programs.all, team) }
      } else if asVector, let loop = programs.onlyLoop(kernels, cacheBytes: cacheBytes) {
        updateVector(loop, takeOrder(), team)
      } else {
        update(programs.all, team)
      }
    }
  }

  @inline(__always)
  private func updateVector(_ loop: ProgramLoop<Scalar>, _ order: PassOrder, _ team: ThreadTeam) {
    if team.count == 1 { return loop.run(OperandPlaces(self, tensor: 0, at: 0), at: 0, count, order) }
    team.run(VectorWork(table: self, loop: loop, order: order, team: team))
  }

  private struct VectorWork: TeamWork, @unchecked Sendable {  // each thread writes its own elements
    let table: TensorTable
    let loop: ProgramLoop<Scalar>
    let order: PassOrder
    let team: ThreadTeam

    func run(thread: Int) {
      let share = team.share(of: thread, count: table.count)
      loop.run(OperandPlaces(table, tensor: 0, at: 0), at: share.lowerBound, share.count, order)
    }
  }

  /// The second pass: runs each tensor's program, all operations on one tile before the next tile.
  ///
  /// - Parameter programs: The programs that ``Entry/program`` counts.
  func update(_ programs: UnsafeBufferPointer<StepProgram>, _ team: ThreadTeam) {
    let (order, scratch) = (takeOrder(), scratch(threads: team.mostCount))
    if team.count == 1 { return Self.update(self, 0..<count, programs, order, ThreadScratch(scratch, thread: 0)) }
    team.run(UpdateWork(table: self, programs: programs, order: order, team: team, scratch: scratch))
  }

  private struct UpdateWork: TeamWork, @unchecked Sendable {  // each thread writes its own elements and scratch memory
    let table: TensorTable
    let programs: UnsafeBufferPointer<StepProgram>
    let order: PassOrder
    let team: ThreadTeam
    let scratch: UnsafeMutableRawPointer

    func run(thread: Int) {
      TensorTable.update(
        table, team.share(of: thread, count: table.count), programs, order, ThreadScratch(scratch, thread: thread))
    }
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func update(
    _ table: TensorTable, _ share: Range<Int>, _ programs: UnsafeBufferPointer<StepProgram>, _ order: PassOrder,
    _ scratch: ThreadScratch<Scalar>
  ) {
    if table.usesHalves { return updateHalves(table, share, programs, order, scratch) }
    var runner = TileRunner<Scalar>(scratch)
    var loaded = -1
    var parts = table.parts(of: share, order)
    var next = parts.next()
    while let (index, part) = next {
      next = parts.next()
      let number = table.entry(index).pointee.program
      guard number >= 0 else { continue }
      if loaded != number {
        loaded = number
        runner.program.load(
          programs.baseAddress.unsafelyUnwrapped + number, cacheBytes: table.cacheBytes, table.kernels)
      }
      runner.current.bind(table, index, at: part.lowerBound)
      var count = part.count
      if runner.program.scalesUnits {
        runner.current.setFactors(table.decision(index), at: part.lowerBound)
      } else {
        // Tensors that are adjacent in memory and have the same program are run as one. This is possible because an
        // element's bits depend only on its own values and the factors, not on where its tile begins.
        while let (index, part) = next, table.entry(index).pointee.program == number,
          runner.current.continues(table, index, at: part.lowerBound, after: order == .forwards ? -count : part.count)
        {
          if order == .backwards { runner.current.bind(table, index, at: part.lowerBound) }
          count += part.count
          next = parts.next()
        }
      }
      runner.execute(count, order)
    }
  }
}
