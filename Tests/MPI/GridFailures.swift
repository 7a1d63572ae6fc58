#if MPI
  import Momentum
  import MomentumMPI

  /// What is refused of placements on a grid: by all ranks alike, and nothing has been written.
  enum GridFailures {
    static func run(_ grid: CommunicatorGrid, _ extents: GridCases.Grid) throws {
      try grids(grid.communicator)
      try contradictions(grid)
      try steps(grid, extents)
    }

    private static func grids(_ world: Communicator) throws {
      let (ranks, odd) = (world.rankCount, world.rankCount - 1)
      try FailureCases.expect("the grid (data \(ranks + 1)) has count \(ranks + 1); expected \(ranks)", world) {
        _ = try CommunicatorGrid(world, [("data", ranks + 1)])
      }
      let line = try CommunicatorGrid(world, [("data", ranks)])
      try FailureCases.expect("axis is expert; expected one of the grid data \(ranks)", world) {
        _ = try line.along(world.rank == odd ? "expert" : "data")
      }
      guard ranks > 1 else { return }
      try FailureCases.expect(
        "the axes of the grid of rank \(odd) differ from those of rank 0; expected the same on all ranks", world
      ) {
        _ = try CommunicatorGrid(world, [(world.rank == odd ? "tensor" : "data", ranks)])
      }
      try FailureCases.expect(
        "the axes of a part of rank \(odd) differ from those of rank 0; expected the same on all ranks", world
      ) {
        _ = world.rank == odd ? try line.across("data") : try line.along("data")
      }
    }

    private static func contradictions(_ grid: CommunicatorGrid) throws {
      let (world, ranks) = (grid.communicator, grid.communicator.rankCount)
      guard ranks > 1 else { return }
      let line = try CommunicatorGrid(world, [("tensor", ranks)])
      func expect(_ text: String, _ shape: [Int], _ placement: Placement) throws {
        try FailureCases.expect("tensor 'w' is \(text)", world) {
          _ = try PlacedModel<Float>(line, [("w", shape, placement)])
        }
      }
      // The negative control of the count: all ranks have it, and say that one owns it, or that each of them does.
      try expect(
        "held on rank 1; expected nothing of it at tensor 1: it is owned by 0 along tensor", [3],
        ["tensor": .owned(by: 0)])
      try expect(
        "owned by 1 along tensor on rank 1; expected as on rank 0: owned by 0 along tensor", [3],
        ["tensor": .owned(by: world.rank)])
      try expect(
        "cut into \((0..<ranks).map { $0 == 1 ? "5" : "4" }.joined(separator: " + ")) along tensor on rank 0; "
          + "expected slices of \(4 * ranks) in all", [world.rank == 1 ? 5 : 4], ["tensor": .sliced(of: 4 * ranks)])
      for odd in 1..<ranks {
        try expect(
          "of shape [4] on rank \(odd); expected [3], as the ranks before it have", [world.rank == odd ? 4 : 3],
          ["tensor": .copied])
      }
    }

    /// What goes wrong in a step on one rank, on each in turn.
    private static func steps(_ grid: CommunicatorGrid, _ extents: GridCases.Grid) throws {
      let world = grid.communicator
      let here = GridCases.Model(place: grid.coordinates, extents: extents.extents)
      let model = try PlacedModel<Float>(grid, here.declared)
      var optimizer = try Optimizer<Float>(
        model.layout, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(1))
      let parameters = GridCases.Memory(model.layout.tensors.map { here.start($0.name) })
      let start = parameters.elements
      func step(
        _ text: String, _ optimizer: inout Optimizer<Float>, _ change: (inout [[Float]]) -> Void = { _ in }
      ) throws {
        var elements = model.layout.tensors.map { Array(repeating: Float(1), count: $0.count) }
        change(&elements)
        let gradients = GridCases.Memory(elements)
        defer { withExtendedLifetime(gradients) {} }
        do throws(DistributedError) {
          try model.step(&optimizer, parameters: parameters.tensors, gradients: gradients.tensors)
        } catch {
          try Cases.requireSame("\(error)", world)
          try Cases.require("\(error)" == text, "'\(error)'; expected '\(text)'")
          try Cases.require(parameters.elements == start && optimizer.stepCount == 0, "'\(text)': a step was taken")
          return
        }
        throw Cases.Failure(description: "not refused: \(text)")
      }

      let slice = GridCases.Model.whole.range("embedding").count / extents.extents[2]
      for failing in 0..<world.rankCount {
        try step("gradient of tensor 'embedding' has count 3; expected \(slice)", &optimizer) {
          if world.rank == failing { $0[0] = [1, 2, 3] }
        }
        let index = slice * grid.ranks.coordinates(of: failing)[2] + 5
        try step("gradient of tensor 'embedding' is nan at index \(index); expected finite values", &optimizer) {
          if world.rank == failing { $0[0][5] = .nan }
        }
        var other = try Optimizer<Float>(
          world.rank == failing ? ParameterLayout([("other", [3])]) : model.layout, rule: SGD(learningRate: 0.1))
        try step(
          "tensor 0 of the optimizer is 'other' of shape [3]; expected 'embedding' of shape [\(slice / 128), 128]",
          &other)
      }
      if model.plan.hasSlices {
        var whole = try Optimizer<Float>(model.layout, rule: LARS(learningRate: 0.1, momentum: 0.9))
        try step(
          "optimizer is one with a limit or a rule of whole tensors, units or groups; expected limits and rules of "
            + "elements or of all tensors where tensors are sliced", &whole)
      }
      try settings(model, world)
      // Once the causes are gone the same ranks go on.
      let gradients = GridCases.Memory(start)
      try withExtendedLifetime(gradients) {
        _ = try model.step(&optimizer, parameters: parameters.tensors, gradients: gradients.tensors)
      }
      try Cases.require(optimizer.stepCount == 1 && parameters.elements != start, "no step after the failures")
    }

    /// Settings that one rank has otherwise, and those that no model of these tensors takes.
    private static func settings(_ model: PlacedModel<Float>, _ world: Communicator) throws {
      func refused(_ text: String, _ make: () throws(DistributedError) -> Void) throws {
        do throws(DistributedError) { try make() } catch {
          try Cases.requireSame("\(error)", world)
          return try Cases.require("\(error)" == text, "'\(error)'; expected '\(text)'")
        }
        throw Cases.Failure(description: "not refused: \(text)")
      }
      for failing in 1..<max(world.rankCount, 1) {
        let rule = try SGD(learningRate: world.rank == failing ? 0.2 : 0.1)
        try refused("the settings of rank \(failing) differ from those of rank 0; expected the same on all ranks") {
          () throws(DistributedError) in _ = try model.makeOptimizer(rule: rule)
        }
      }
      let (rule, groups) = (try SGD(learningRate: 0.1), [ParameterGroup("none", ["nobody"])])
      try refused(
        "group 'none' is [\"nobody\"]; expected patterns of which one matches the name of a tensor, such as 'embedding'"
      ) {
        () throws(DistributedError) in _ = try model.makeOptimizer(rule: rule, groups: groups)
      }
    }
  }
#endif
