/// The tensors of a step whose update is transformed as a whole: what each of them needs, and the memory for it.
///
/// Tensors are taken in waves, as many at a time as fit beside the largest: the operations before the transform on all
/// tiles of a wave, the transform of each of its matrices, then the other operations, unless these take the results of
/// the transform as they are computed (``MatrixPlace/epilogue``). The memory of a wave is used again by the next, so it is
/// that of the largest tensor, or of 2²⁰ elements; and that of the transform. It is allocated when a step first has such
/// tensors, before anything is written; later steps allocate nothing.
final class MatrixStage<Scalar: BLASScalar>: @unchecked Sendable {  // changed between passes, by one thread
  /// A tensor with a transform.
  struct Member {
    let tensor: Int
    let transform: MatrixTransform
    let layouts: [MatrixLayout]
    let count: Int
    /// Whether results can be taken as they are computed; see ``MatrixPlace/epilogue``.
    let mayHaveEpilogue: Bool
    /// The tensor's program in this step; -1 leaves it alone.
    var program = -1
    /// The operations behind the transform, if they take its results as they are computed.
    var epilogue: BoundLoop<Scalar>?
    /// The tensor's first element in the wave.
    var start = 0
  }

  private(set) var members: [Member] = []
  private var update: OwnedBuffer<Scalar>?
  /// The factors of each member's epilogue.
  private var epilogueFactors: OwnedBuffer<Scalar>?
  private var workspace: MatrixWorkspace<Scalar>?
  /// For the members whose method is ``Orthogonalization/polar``, if there are any.
  private var polar: PolarWorkspace<Scalar>?
  private var places: [MatrixPlace<Scalar>] = []
  private var threads = 0

  /// The least number of elements that a wave has room for.
  private static var leastCapacity: Int { 1 << 20 }

  /// Makes room for the transforms of a step, unless there is.
  ///
  /// - Parameter transform: The transform of the tensors of a group.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a tensor that the transform does not fit,
  ///   ``MomentumError/allocationFailed(bytes:)``.
  func prepare(
    _ table: TensorTable<Scalar>, threads: Int, _ transform: (_ group: Int) -> MatrixTransform?
  ) throws(MomentumError) {
    guard !isPrepared(table, threads, transform) else { return }
    var members: [Member] = []
    for index in table.entries.indices {
      guard let own = transform(table.decisions[index].group) else { continue }
      let matrices = try own.view.matrices(of: table.shapes[index], tensor: table.name(of: index))
      let count = table.entries[index].count
      let layouts = count == 0 ? [] : (0..<matrices.count).map { matrices[$0] }
      members.append(
        Member(
          tensor: index, transform: own, layouts: layouts, count: count,
          mayHaveEpilogue: own.method != .polar && layouts.allSatisfy(\.isDense)))
    }
    let room = members.map { Self.rounded($0.count) }
    let capacity = max(room.max() ?? 0, min(room.reduce(0, +), Self.leastCapacity))
    // Everything that can fail comes before anything is replaced.
    let decomposed = members.filter { $0.transform.method == .polar }.flatMap(\.layouts)
    let workspace = try MatrixWorkspace<Scalar>(
      members.filter { $0.transform.method != .polar }.flatMap(\.layouts), threads: threads)
    let polar = decomposed.isEmpty ? nil : try PolarWorkspace<Scalar>(decomposed)
    let factors = try OwnedBuffer<Scalar>(count: members.count * ProgramLoop<Scalar>.factorCount)
    update = try OwnedBuffer<Scalar>(count: capacity)
    epilogueFactors = consume factors
    (self.workspace, self.polar, self.members, self.threads) = (workspace, polar, members, threads)
    places.reserveCapacity(members.reduce(0) { $0 + $1.layouts.count })
  }

  /// Up to a whole cache line.
  private static func rounded(_ count: Int) -> Int { (count + 15) & -16 }

  private func isPrepared(
    _ table: TensorTable<Scalar>, _ threads: Int, _ transform: (_ group: Int) -> MatrixTransform?
  ) -> Bool {
    guard update != nil, self.threads == threads else { return false }
    var next = 0
    for index in table.entries.indices {
      guard let own = transform(table.decision(index).pointee.group) else { continue }
      guard next < members.count, members[next].tensor == index, members[next].transform == own else { return false }
      next += 1
    }
    return next == members.count
  }

  /// Takes the members' tensors out of the usual pass over all tensors.
  func takeOut(of table: TensorTable<Scalar>) {
    for index in members.indices {
      let entry = table.entry(members[index].tensor)
      members[index].program = entry.pointee.program
      entry.pointee.program = -1
    }
  }

  /// Runs the programs of the members that ``takeOut(of:)`` has found, wave by wave.
  func run(_ programs: ProgramBuffer<Scalar>, _ table: TensorTable<Scalar>, _ team: ThreadTeam) {
    let capacity = update?.count ?? 0
    withExtendedLifetime(programs) {
      var first = 0
      while first < members.count {
        var (end, count) = (first, 0)
        while end < members.count, count + members[end].count <= capacity {
          members[end].start = count
          if members[end].program >= 0 { count += Self.rounded(members[end].count) }
          end += 1
        }
        run(first..<end, count, programs.all, table, team)
        first = end
      }
    }
  }

  private func run(
    _ wave: Range<Int>, _ count: Int, _ programs: UnsafeBufferPointer<StepProgram>, _ table: TensorTable<Scalar>,
    _ team: ThreadTeam
  ) {
    guard count > 0, let workspace, let base = update?.base else { return }
    let scratch = table.scratch(threads: team.mostCount)
    func pass(beforeTransform: Bool) {
      team.run(
        StagedWork(
          stage: self, wave: wave, count: count, update: base, isFirst: beforeTransform, table: table,
          programs: programs, team: team, scratch: scratch))
    }
    pass(beforeTransform: true)
    for index in wave { members[index].epilogue = epilogue(index, programs, table) }
    var first = wave.lowerBound
    while first < wave.upperBound {
      let method = members[first].transform.method
      places.removeAll(keepingCapacity: true)
      while first < wave.upperBound, members[first].transform.method == method {
        if members[first].program >= 0, programs[members[first].program].transformPosition != nil {
          let member = members[first]
          for layout in member.layouts {
            places.append(MatrixPlace(base + member.start, layout, epilogue: member.epilogue))
          }
        }
        first += 1
      }
      places.withUnsafeBufferPointer { places in
        switch method {
        case .newtonSchulz(let method): method.orthogonalize(places, in: workspace)
        case .polar: polar?.replace(places)
        }
      }
    }
    if wave.contains(where: { members[$0].program >= 0 && members[$0].epilogue == nil }) {
      pass(beforeTransform: false)
    }
  }

  /// A loop of the operations behind a member's transform, where there is one.
  private func epilogue(
    _ index: Int, _ programs: UnsafeBufferPointer<StepProgram>, _ table: TensorTable<Scalar>
  ) -> BoundLoop<Scalar>? {
    let member = members[index]
    guard member.program >= 0, member.mayHaveEpilogue, !table.usesHalves, table.kernels.prefersLoops,
      let factors = epilogueFactors?.base, let part = programs[member.program].partBehindTransform
    else { return nil }
    let own = factors + index * ProgramLoop<Scalar>.factorCount
    // No `map` and no `flatMap` to a type that depends on Scalar: where this code is not specialized, as in steps with an
    // exchange, the optimizer of Swift 6.3 makes something of their nil.
    guard let signature = withUnsafePointer(to: part, { $0.signature(writing: own) }),
      let loop = FusedLoop<Scalar>(signature)
    else { return nil }
    return OperandPlaces(table, tensor: member.tensor, at: 0).withAddresses(at: 0) { BoundLoop(loop, own, $0) }
  }
}
