#if MPI
  import Momentum
  import MomentumMPI

  /// Models that are placed on a grid of ranks.
  enum GridCases {
    private static let steps = 3

    /// The group is that of a tensor which not every rank has.
    private static func settings() throws -> (rule: SGD, groups: [ParameterGroup], clipping: GradientClipping) {
      let rule = try SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.01)
      return (rule, [ParameterGroup("head", ["head"], rule: try SGD(learningRate: 0.2))], try .byGlobalNorm(5))
    }

    static func run(_ grid: Grid, _ world: Communicator) throws {
      let ranks = try CommunicatorGrid(world, grid.axes)
      try parts(ranks)
      try steps(ranks, grid)
      try order(ranks)
      try GridFailures.run(ranks, grid)
    }

    private static func line(_ report: StepReport) -> String {
      "\(report.step) \(hex(report.totalNorm ?? 0)) \(hex(report.clipCoefficient))"
    }

    /// The steps of one process that has the whole model.
    @discardableResult
    static func reference(_ world: Communicator, prints: Bool = true) throws -> [[Float]] {
      let (rule, groups, clipping) = try settings()
      var optimizer = try Optimizer<Float>(
        ParameterLayout(Model.tensors), rule: rule, groups: groups, clipping: clipping)
      let parameters = Memory(Model.tensors.map { Model.whole.start($0.name) })
      for step in 1...steps {
        let gradients = Memory(Model.tensors.map { Model.whole.gradient($0.name, step: step) })
        let report = try withExtendedLifetime(gradients) {
          try optimizer.step(
            parameters: parameters.tensors, gradients: gradients.tensors.map { UnsafeBufferPointer($0) })
        }
        if prints { Cases.print(line(report), world) }
      }
      return parameters.elements
    }

    /// The same norms, coefficients and parameters on the ranks of a grid.
    private static func steps(_ grid: CommunicatorGrid, _ extents: Grid) throws {
      let world = grid.communicator
      let here = Model(place: grid.coordinates, extents: extents.extents)
      let model = try PlacedModel<Float>(grid, here.declared)
      try Cases.require(model.plan.cutsAtTiles, "a slice is cut inside of a tile")
      let (rule, groups, clipping) = try settings()
      var optimizer = try model.makeOptimizer(rule: rule, groups: groups, clipping: clipping)
      let names = model.layout.tensors.map(\.name)
      let parameters = Memory(names.map { here.start($0) })
      for step in 1...steps {
        let gradients = Memory(names.map { here.gradient($0, step: step) })
        let report = try withExtendedLifetime(gradients) {
          try model.step(&optimizer, parameters: parameters.tensors, gradients: gradients.tensors)
        }
        try Cases.requireSame("\(report)", world)
        Cases.print(line(report), world)
      }
      let whole = try reference(world, prints: false)
      for (name, elements) in zip(names, parameters.elements) {
        let expected = whole[Model.position(name)][here.range(name)].map(\.bitPattern)
        try Cases.require(
          elements.map(\.bitPattern) == expected, "tensor '\(name)' of rank \(world.rank) has other bits")
      }
    }

    /// Gradients with all bits are added up along one axis after the other, in the order of a tree.
    private static func order(_ grid: CommunicatorGrid) throws {
      let (count, rank) = (2500, grid.communicator.rank)
      let model = try PlacedModel<Float>(grid, [("w", [count], [:])])
      var values = (0..<grid.ranks.rankCount).map { rank in (0..<count).map { number(rank, $0) } }
      let gradient = Memory([values[rank]])
      try model.sum(gradient.tensors)
      for axis in grid.ranks.axes.indices {
        values = values.indices.map { rank in
          TrainCases.treeSum(grid.ranks.ranks(along: [axis], through: rank).map { values[$0] }[...])
        }
      }
      try Cases.require(
        gradient.elements[0].map(\.bitPattern) == values[rank].map(\.bitPattern), "a sum has another order")
    }

    /// The communicators along axes, and across them.
    private static func parts(_ grid: CommunicatorGrid) throws {
      for (position, axis) in grid.ranks.axes.enumerated() {
        let (along, across) = try (grid.along(axis.name), grid.across(axis.name))
        try Cases.require(
          along.rankCount == axis.extent && along.rank == grid.coordinates[position]
            && along.rank == grid.coordinate(along: axis.name),
          "rank \(along.rank) of \(along.rankCount) along \(axis.name)")
        try Cases.require(
          across.rankCount == grid.ranks.rankCount / axis.extent, "\(across.rankCount) ranks across \(axis.name)")
        // Those of one plane have the same place.
        var places = [UInt64(grid.coordinates[position])]
        do throws(MomentumError) { try across.sum(&places) } catch { throw DistributedError.refused(error) }
        try Cases.require(
          places[0] == UInt64(grid.coordinates[position] * across.rankCount),
          "a rank of another place across \(axis.name)")
        try Cases.require(try grid.along(axis.name) === along, "a communicator was made twice")
      }
      try Cases.require(
        try grid.across().rankCount == grid.ranks.rankCount, "a rank is missing across no axis")
    }
  }
#endif
