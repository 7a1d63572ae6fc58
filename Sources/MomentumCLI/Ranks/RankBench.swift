#if MPI
  import Momentum
  import MomentumMPI

  /// The ways of one step of a model on several ranks, verified and timed.
  struct RankBench {
    private let world: Communicator
    private let layout: ParameterLayout
    private let vectors: RankVectors

    init(_ layout: ParameterLayout, _ world: Communicator) throws {
      (self.world, self.layout) = (world, layout)
      vectors = try world.together { try RankVectors(layout, world) }
    }

    func rows(repeats: Int) throws -> [RankBenchRow] {
      let plan = try ShardPlan(layout, ranks: world.rankCount)
      let ordered = GradientReduction.ordered(microBatches: world.rankCount)
      let steps = try [
        ("MPI's sum, whole step", Sharding.none, GradientReduction.library),
        ("MPI's sum, state divided", .state, .library), ("ordered sum, whole step", .none, ordered),
        ("ordered sum, state divided", .state, ordered),
        ("ordered sum, state and gradients divided", .stateAndGradients, ordered),
      ].map { name, sharding, reduction in
        let step = try RankStep(vectors, world, sharding, reduction)
        try world.together { vectors.fillParameters() }
        try step.run()
        try world.together { try vectors.check(name) }
        return (name, step, RankTraffic.step(plan, world.rank, sharding, reduction))
      }
      let bits = try [(Sharding, Bool)]([
        (.none, false), (.state, false), (.none, true), (.state, true), (.stateAndGradients, true),
      ]).map { try RankBits.digest($0, isOrdered: $1, world) }
      let parts: [(String, any RankContender, RankTraffic)] = [
        ("merge of norms", try NormMerge(world), .merge),
        ("MPI's sum alone", LibrarySumAlone(vectors, world), .sum(layout.count)),
        ("parts to all alone", PartsToAll(vectors, world, plan), .toAll(plan, world.rank)),
        ("step of each rank alone", try world.together { try StepAlone(vectors) }, RankTraffic()),
        ("sum of two gradients", SumOfTwo(vectors), RankTraffic()),
        ("copy of a gradient", MemoryCopy(vectors), RankTraffic()),
      ]
      let all = steps.map { ($0.0, $0.1 as any RankContender, $0.2) } + parts
      let counted = try all.map { name, contender, formula in
        let counted = try RankTraffic.counted { try contender.run() }
        try world.together {
          guard let counted, counted != formula else { return }
          throw WrongTraffic(name: name, counted: counted, formula: formula)
        }
        return counted
      }
      let times = try time(all.map(\.1), repeats)
      return all.indices.map { index in
        var row = RankBenchRow(
          name: all[index].0, tensors: layout.tensors.count, count: layout.count, seconds: times[index],
          traffic: all[index].2, isTrafficCounted: counted[index] != nil)
        if index < steps.count {
          row.libraryRatio = times[0] / times[index]
          row.normError = steps[index].1.norm.map { abs($0 / (2 * vectors.limit) - 1) }
          row.bits = bits[index]
        }
        return row
      }
    }

    /// The best times, in turn, of what begins together on all ranks and ends on the last.
    private func time(_ contenders: [any RankContender], _ repeats: Int) throws -> [Double] {
      let runs = max(1, (1 << 18) / layout.count)
      var best = [Double](repeating: .infinity, count: contenders.count)
      for turn in 0..<repeats {
        for place in contenders.indices {
          let index = turn.isMultiple(of: 2) ? place : contenders.count - 1 - place
          try contenders[index].run()
          try world.agree(nil)
          let start = ContinuousClock.now
          for _ in 0..<runs { try contenders[index].run() }
          var nanoseconds = [UInt64((ContinuousClock.now - start) / .nanoseconds(1))]
          try world.max(&nanoseconds)
          best[index] = min(best[index], Double(nanoseconds[0]) / 1e9 / Double(runs))
        }
      }
      return best
    }
  }

  /// What all ranks do together, and what is timed.
  private protocol RankContender: AnyObject {
    func run() throws
  }

  /// Vectors that all ways share, so that no way finds its own in the cache, and what a step must make of them.
  private final class RankVectors {
    let layout: ParameterLayout
    let learningRate = 0.01
    /// The limit of the norm: half of what it is.
    let limit: Double
    var parameters: ParameterVector<Float>
    var gradient: ParameterVector<Float>
    var scratch: ParameterVector<Float>
    let threads: Int
    private let ranks: Int

    init(_ layout: ParameterLayout, _ world: Communicator) throws {
      (self.layout, threads, ranks) = (layout, world.threadsPerRank, world.rankCount)
      parameters = try ParameterVector(layout, threads: threads)
      gradient = try ParameterVector(layout, threads: threads)
      scratch = try ParameterVector(layout, threads: threads)
      // As integers, whose sum is exact.
      let unit = 65_536 * Double(ranks)
      var squares: UInt128 = 0
      for index in 0..<layout.count {
        gradient[index] = Self.element(index, world.rank)
        let sum = UInt128((Self.mean(index, ranks) * unit).rounded().magnitude)
        squares += sum * sum
      }
      limit = Double(squares).squareRoot() / unit / 2
    }

    /// A number from -0.5 to 0.5 that every rank can compute, of 16 bits, so that sums of a few are exact.
    private static func element(_ index: Int, _ rank: Int) -> Float {
      Float((index &* 40_503 &+ rank &* 25_717 &+ (index >> 16) &* 9973) & 0xffff) / 65_536 - 0.5
    }

    private static func mean(_ index: Int, _ ranks: Int) -> Double {
      var sum = 0.0
      for rank in 0..<ranks { sum += Double(element(index, rank)) }
      return sum / Double(ranks)
    }

    func fillParameters() { parameters.fill(1) }

    /// Compares the parameters after the first step with a plain loop.
    func check(_ name: String) throws {
      for index in 0..<layout.count {
        let expected = 1 - learningRate * 0.5 * Self.mean(index, ranks)
        guard abs(Double(parameters[index]) - expected) <= 2e-7 else {
          throw WrongResult(name: name, index: index, found: parameters[index], expected: expected)
        }
      }
    }
  }

  private struct WrongResult: Error, CustomStringConvertible {
    let name: String
    let index: Int
    let found: Float
    let expected: Double
    var description: String { "\(name): parameter \(index) is \(found) after a step; expected \(expected)" }
  }

  private struct WrongTraffic: Error, CustomStringConvertible {
    let name: String
    let counted, formula: RankTraffic
    var description: String { "\(name): this rank has called MPI for \(counted); expected \(formula)" }
  }

  private final class RankStep: RankContender {
    private let vectors: RankVectors
    private let microBatch: Int
    private var optimizer: DistributedOptimizer<Float>
    /// That of the last step's gradient.
    private(set) var norm: Double?

    init(
      _ vectors: RankVectors, _ world: Communicator, _ sharding: Sharding, _ reduction: GradientReduction
    ) throws {
      (self.vectors, microBatch) = (vectors, world.rank)
      optimizer = try DistributedOptimizer(
        vectors.layout, on: world, rule: SGD(learningRate: vectors.learningRate, momentum: 0.9),
        clipping: .byGlobalNorm(vectors.limit), sharding: sharding, reduction: reduction)
    }

    func run() throws {
      optimizer.add(vectors.gradient, microBatch: microBatch)
      norm = try optimizer.step(&vectors.parameters).totalNorm
    }
  }

  /// The one message between measuring and deciding.
  private final class NormMerge: RankContender {
    private let world: Communicator
    private let partial: NormPartial

    init(_ world: Communicator) throws {
      self.world = world
      partial = try NormPartial()
    }

    func run() throws { _ = try world.merge([partial]) }
  }

  private final class LibrarySumAlone: RankContender {
    private let vectors: RankVectors
    private let world: Communicator

    init(_ vectors: RankVectors, _ world: Communicator) { (self.vectors, self.world) = (vectors, world) }

    func run() throws {
      try vectors.scratch.withUnsafeMutableBufferPointer { scratch in
        try world.sumByLibrary(scratch.baseAddress!, scratch.count)
      }
    }
  }

  /// Every rank gets the parts that the others have.
  private final class PartsToAll: RankContender {
    private let vectors: RankVectors
    private let world: Communicator
    private let plan: ShardPlan

    init(_ vectors: RankVectors, _ world: Communicator, _ plan: ShardPlan) {
      (self.vectors, self.world, self.plan) = (vectors, world, plan)
    }

    func run() throws {
      try vectors.scratch.withUnsafeMutableBufferPointer { scratch in
        try world.gather(scratch.baseAddress!, plan.bounds)
      }
    }
  }

  /// The step of one process, on every rank at once.
  private final class StepAlone: RankContender {
    private let vectors: RankVectors
    private var optimizer: Optimizer<Float>

    init(_ vectors: RankVectors) throws {
      self.vectors = vectors
      optimizer = try Optimizer(
        vectors.layout, rule: SGD(learningRate: vectors.learningRate, momentum: 0.9),
        clipping: .byGlobalNorm(vectors.limit), threads: vectors.threads)
    }

    func run() throws { try optimizer.step(&vectors.parameters, gradients: vectors.gradient) }
  }

  private final class SumOfTwo: RankContender {
    private let vectors: RankVectors

    init(_ vectors: RankVectors) { self.vectors = vectors }

    func run() throws {
      try vectors.scratch.withUnsafeMutableBufferPointer { scratch in
        try vectors.gradient.withUnsafeBufferPointer { gradient in
          try BLAS.axpy(1, BLAS.Vector(gradient), into: BLAS.MutableVector(scratch))
        }
      }
    }
  }

  private final class MemoryCopy: RankContender {
    private let vectors: RankVectors

    init(_ vectors: RankVectors) { self.vectors = vectors }

    func run() {
      vectors.scratch.withUnsafeMutableBufferPointer { scratch in
        vectors.gradient.withUnsafeBufferPointer { _ = scratch.update(fromContentsOf: $0) }
      }
    }
  }
#endif
