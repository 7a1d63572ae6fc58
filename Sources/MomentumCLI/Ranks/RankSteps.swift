#if MPI
  import Foundation
  import Momentum
  import MomentumFiles
  import MomentumMPI

  /// Steps of a checkpoint by the ranks of an MPI program: each reads, steps and writes whole tensors of its own.
  ///
  /// Rank 0 begins all files and tells the others where in them each tensor lies. When all have written their tensors and
  /// brought them to the disk, it adds what no step changes and puts the files in their places. So a rank that fails, or is
  /// killed, before that leaves all files as they were.
  struct RankSteps {
    private let steps: CheckpointSteps
    private let world: Communicator
    private let shares: [RankShare]
    /// The exchange with the other ranks.
    private let exchange: RankExchange<Communicator>

    init(_ steps: CheckpointSteps, _ world: Communicator) throws {
      (self.steps, self.world) = (steps, world)
      try world.requireSame(
        ShardPlan(steps.whole, ranks: world.rankCount).digest, "the tensors of \(steps.parameters.name)")
      shares = RankShare.shares(of: steps, rank: world.rank, ranks: world.rankCount)
      exchange = RankExchange(world, elements: steps.whole.count)
    }

    /// Takes all steps and writes all files.
    func run() throws -> [StepRow] {
      let files = try world.together {
        world.rank == 0 ? try steps.command.outputFiles(like: steps.parameters.set) : nil
      }
      let target = files?.target ?? TensorOutput(followsLinks: steps.command.writing.followLinks)
      var rows = try steps.command.steps == 1 ? stepByGroups(files, target) : stepTogether(files, target)
      try addLosses(to: &rows)
      return rows
    }

    // MARK: Steps

    /// Measures all tensors, then reads, steps and writes them group by group.
    private func stepByGroups(_ files: StepFiles?, _ target: TensorOutput) throws -> [StepRow] {
      let measuring = try world.together { try shares.map(measuringPart) }
      let norms = try steps.norms(of: measuring, shares.map(\.tensors), within: exchange) { _ in }
      let outputs = try begin(files, target, measuring)
      let reports = try world.together {
        let streaming = StepStreaming(norms)
        defer { streaming.background.wait() }
        let reports = try shares.flatMap { share in
          guard !share.isIdle else {
            let part = try measuringPart(share)
            return [try steps.naming { () throws(MomentumError) in try part.step(norms.exchange()) }]
          }
          return try steps.step(share.tensors, share.number, streaming, outputs[share.number].output) { _ in }
        }
        try streaming.background.finish()
        return reports
      }
      try end(outputs, target)
      return [StepRow(reports)]
    }

    /// The tensors of a share as a part that measures, and changes no vector.
    private func measuringPart(_ share: RankShare) throws -> any StepPart {
      try steps.measuringPart(share.tensors, share.number, isWhole: false, .silent(steps.parameters.set))
    }

    /// Takes all steps in memory, then writes all tensors.
    private func stepTogether(_ files: StepFiles?, _ target: TensorOutput) throws -> [StepRow] {
      let pool = MemoryPool()
      let (groups, parts) = try world.together {
        let groups = try shares.filter { !$0.isIdle }.map { share in
          try steps.group(share.tensors, share.number, pool)
        }
        return (groups, try groups.isEmpty ? shares.map(measuringPart) : groups.map(\.part))
      }
      let rows = try steps.command.takeSteps(steps.gradients.name) { () throws(MomentumError) in
        try ThreadExchange.run(owners: parts.count, within: exchange) { part, exchange throws(MomentumError) in
          try parts[part].step(exchange)
        }
      }
      let outputs = try begin(files, target, parts)
      try world.together {
        for (share, group) in zip(shares, groups) { try outputs[share.number].output.add(group) }
      }
      try end(outputs, target)
      return rows
    }

    /// Adds what rounding has lost on the other ranks.
    private func addLosses(to rows: inout [StepRow]) throws {
      var losses = rows.flatMap { [UInt64($0.losses.overflowed), UInt64($0.losses.lost)] }
      try world.sumOrRefuse(&losses)
      for index in rows.indices { rows[index].losses = (Int(losses[2 * index]), Int(losses[2 * index + 1])) }
    }

    // MARK: Files

    /// The files that are made of one file of parameters; the parts of that file, and on rank 0 what they remember.
    private typealias Output = (output: GroupOutput, parts: [CheckpointTensors], outlines: [any StepPart])

    /// What a rank tells of a part of a file.
    private struct Outline: Codable {
      var number: Int
      var part: Int
      var bytes: Data
    }

    /// Begins all files on rank 0, and joins in their writing on the others.
    ///
    /// - Parameter stepped: The parts of this rank, which have taken the step, but perhaps for the vectors.
    private func begin(
      _ files: StepFiles?, _ target: TensorOutput, _ stepped: [any StepPart]
    ) throws -> [Output] {
      let own = try world.together {
        try Array(
          JSONEncoder().encode(
            zip(shares, stepped).map { Outline(number: $0.number, part: $0.part, bytes: try Data($1.outline())) }))
      }
      let all = try world.gatherBytes(own)
      var outputs: [Output] = []
      let plans = try world.together { () -> [UInt8] in
        for (number, parts) in steps.shards.enumerated() {
          outputs.append((try steps.output(target, number), parts, []))
        }
        guard let files else { return [] }
        let told = try all.flatMap { try JSONDecoder().decode([Outline].self, from: Data($0)) }
        for (number, parts) in steps.shards.enumerated() {
          for (index, part) in parts.enumerated() {
            let outline = try steps.outline(of: part, number)
            try outline.adopt(told.filter { $0.number == number && $0.part == index }.map { Array($0.bytes) })
            outputs[number].outlines.append(outline)
          }
          try outputs[number].output.begin(files, parts, outputs[number].outlines, isShared: true)
        }
        return try Array(JSONEncoder().encode(outputs.map(\.output.plan)))
      }
      let known = try world.broadcastBytes(plans)
      try world.together {
        guard world.rank != 0 else { return }
        let plans = try JSONDecoder().decode([GroupOutput.Plan].self, from: Data(known))
        for (output, plan) in zip(outputs, plans) { try output.output.join(plan) }
      }
      return outputs
    }

    /// Puts all files in their places when all tensors are on the disk.
    private func end(_ outputs: [Output], _ target: TensorOutput) throws {
      try world.together {
        try steps.checkInputsUnchanged()
        try steps.parameters.set.checkUnchanged()
        if world.rank != 0 { return try target.commit() }
        for output in outputs { try output.output.writeRest(output.parts, output.outlines) }
      }
      var written = [outputs.reduce(0) { $0 + UInt64($1.output.byteCounts.written) }]
      try world.sumOrRefuse(&written)
      let all = outputs.reduce(0) { $0 + UInt64($1.output.byteCounts.all) }
      precondition(written[0] == all, "the ranks have written \(written[0]) bytes of tensors; expected \(all)")
      try world.together { if world.rank == 0 { try target.commit() } }
    }
  }

  /// The tensors of a part of a file that one rank steps.
  struct RankShare {
    /// The number of the file, and that of the part in it.
    let number: Int
    let part: Int
    let tensors: CheckpointTensors
    /// Whether the rank has no tensor, and only meets the others.
    let isIdle: Bool

    /// The shares of a rank, at least one if there is anything to step. Ranks have about equally many elements, in the order
    /// of the files.
    static func shares(of steps: CheckpointSteps, rank: Int, ranks: Int) -> [RankShare] {
      var begin = 0
      /// The rank that has the middle of the next so many elements.
      func owner(of count: Int) -> Int {
        defer { begin += count }
        let middle = UInt128(begin + count / 2) * UInt128(ranks) / UInt128(max(steps.whole.count, 1))
        return min(Int(middle), ranks - 1)
      }
      var shares: [RankShare] = []
      for (number, parts) in steps.shards.enumerated() {
        for (index, part) in parts.enumerated() {
          let own: CheckpointTensors
          if steps.isSteppedWhole {
            let isHere = owner(of: part.tensors.reduce(0) { $0 + $1.tensor.count }) == rank
            own = part.only { _ in isHere }
          } else {
            own = part.only { owner(of: $0.tensor.count) == rank }
          }
          // A part without a tensor is stepped too: of rank 0.
          guard !own.tensors.isEmpty || (part.tensors.isEmpty && rank == 0) else { continue }
          shares.append(RankShare(number: number, part: index, tensors: own, isIdle: false))
        }
      }
      guard shares.isEmpty, let number = steps.shards.firstIndex(where: { !$0.isEmpty }) else { return shares }
      let none = steps.shards[number][0].only { _ in false }
      return [RankShare(number: number, part: 0, tensors: none, isIdle: true)]
    }
  }
#endif
