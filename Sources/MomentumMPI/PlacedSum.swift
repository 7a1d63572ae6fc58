#if MPI
  import Momentum

  /// The sum of the gradients of some tensors along an axis of a grid: of all that the same ranks have parts of.
  struct PlacedSum<Scalar: BLASScalar> {
    /// The ranks that add up tensors.
    struct Line {
      let communicator: Communicator
      /// Positions in the layout of the plan, so that all ranks have the same order.
      let tensors: [Int]
    }

    /// The lines that this rank is part of, in the order in which they add up. All ranks call this.
    static func lines(_ plan: PlacementPlan, _ grid: CommunicatorGrid) throws(DistributedError) -> [Line] {
      var lines: [Line] = []
      let own = plan.layout(of: grid.communicator.rank)
      for (position, axis) in plan.grid.axes.enumerated() {
        var tensors: [[Int]: [Int]] = [:]
        var places: [[Int]] = []
        for (index, tensor) in plan.tensors.enumerated() {
          let summed = tensor.placement[axis.name].summedPlaces(axis.extent)
          guard summed.count > 1 else { continue }
          if tensors[summed] == nil { places.append(summed) }
          tensors[summed, default: []].append(index)
        }
        for summed in places {
          let isIn = summed.contains(grid.coordinates[position])
          guard let communicator = try grid.split(along: [position], isIn: isIn) else { continue }
          let held = (tensors[summed] ?? []).filter { own.index(of: plan.layout.tensors[$0].name) != nil }
          // Then no rank of the line has one of them.
          guard !held.isEmpty else { continue }
          lines.append(Line(communicator: communicator, tensors: held))
        }
      }
      return lines
    }

    /// Each rank is one micro-batch.
    private let sum: RangeSum<Scalar>
    /// The positions of the tensors among those of the rank, and their places in the sum.
    private let tensors: [(own: Int, range: Range<Int>)]

    init(_ line: Line, _ plan: PlacementPlan, rank: Int, _ threads: Int) throws(MomentumError) {
      let own = plan.layout(of: rank)
      let held = line.tensors.compactMap { own.index(of: plan.layout.tensors[$0].name) }
      let layout = try ParameterLayout(held.map { (own.tensors[$0].name, own.tensors[$0].shape) })
      let ranks = line.communicator.rankCount
      sum = try RangeSum(
        line.communicator, ShardPlan(layout, ranks: ranks), microBatches: ranks, isWhole: true, buckets: nil,
        threads: threads)
      tensors = zip(held, layout.tensors).map { ($0, $1.range) }
    }

    /// Makes room for this rank's gradients.
    func begin() throws(DistributedError) { try sum.begin() }

    /// Replaces gradients by the sums of all ranks of the line.
    func add(_ gradients: [UnsafeMutableBufferPointer<Scalar>]) throws(DistributedError) {
      for (own, range) in tensors {
        guard let base = gradients[own].baseAddress else { continue }
        try sum.add(base, range, isWhole: false)
      }
      sum.end()
      let (result, _) = try sum.sum()
      for (own, range) in tensors {
        gradients[own].baseAddress?.update(from: result + range.lowerBound, count: range.count)
      }
    }

    func reset() { sum.reset() }
  }
#endif
