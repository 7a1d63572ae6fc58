#if MPI
  import Momentum

  /// Each rank adds up any number of gradients as they come, and MPI adds up the ranks, in an order of its own.
  final class LibrarySum<Scalar: BLASScalar>: GradientSum {
    private let communicator: Communicator
    private let plan: ShardPlan
    private let isWhole: Bool
    private let memory: SumMemory<Scalar>
    /// This rank's part of the sum, unless every rank gets the whole.
    private let part: SumMemory<Scalar>
    var microBatches: [Int]? { nil }
    private(set) var added = 0

    init(_ communicator: Communicator, _ plan: ShardPlan, isWhole: Bool, threads: Int) throws(MomentumError) {
      (self.communicator, self.plan, self.isWhole) = (communicator, plan, isWhole)
      memory = try SumMemory(count: plan.layout.count, threads: threads)
      part = try SumMemory(count: isWhole ? 0 : plan.range(of: communicator.rank).count, threads: threads)
    }

    func begin() {}

    func add(_ part: UnsafePointer<Scalar>, _ range: Range<Int>, isWhole _: Bool) {
      let sum = memory.base + range.lowerBound
      if added == 0 {
        sum.update(from: part, count: range.count)
      } else {
        SumMemory.add(part, to: sum, count: range.count)
      }
    }

    func end() { added += 1 }

    func complete() {}

    func sum() throws(DistributedError) -> (UnsafeMutablePointer<Scalar>, microBatches: Int) {
      var count = [UInt64(added)]
      try communicator.sumOrRefuse(&count)
      if added == 0 { memory.base.update(repeating: 0, count: plan.layout.count) }
      if isWhole {
        try communicator.sumByLibrary(memory.base, plan.layout.count)
        return (memory.base, Int(count[0]))
      }
      try communicator.reduceByLibrary(memory.base, plan.bounds, into: part.base)
      return (part.base, Int(count[0]))
    }

    func reset() { added = 0 }
  }
#endif
