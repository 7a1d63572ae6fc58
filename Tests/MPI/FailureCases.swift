#if MPI
  import Foundation
  import Momentum
  import MomentumMPI

  /// What goes wrong on one rank, on each in turn: all throw the same error, nothing is written, and the ranks go on.
  enum FailureCases {
    private struct OwnError: Error {}

    private enum Fault: String, CaseIterable {
      case notFinite, wrongCount, missing, twice, thrown, parameters, library

      /// What every rank must say.
      func text(of rank: Int, _ own: [Int], _ count: Int) -> String {
        switch self {
        case .notFinite: "gradient of tensor 'weight' is nan at index 4100; expected finite values"
        case .wrongCount: "gradient of micro-batch \(own[0]) has count 7; expected \(count)"
        case .missing:
          "rank \(rank) added no gradient of micro-batch \(own.last!); expected one of each of its micro-batches"
        case .twice: "rank \(rank) added the gradient of micro-batch \(own.last!); expected no more gradients"
        case .thrown: "rank \(rank): OwnError()"
        case .parameters: "parameters has count 5; expected \(count)"
        case .library: "no tensor named 'x' in the layout"
        }
      }
    }

    static func run(_ world: Communicator) throws {
      for sharding in Sharding.allCases {
        for bucketBytes in [nil, 5000] { try run(sharding, bucketBytes, world) }
      }
      try tensors(world)
    }

    private static func run(_ sharding: Sharding, _ bucketBytes: Int?, _ world: Communicator) throws {
      let layout = try caseLayout()
      var optimizer = try DistributedOptimizer<Float>(
        layout, on: world, rule: SGD(learningRate: 0.1, momentum: 0.9), clipping: .byGlobalNorm(1),
        sharding: sharding,
        reduction: .ordered(microBatches: 2 * world.rankCount + 1), bucketBytes: bucketBytes)
      var parameters = try ParameterVector<Float>(layout)
      let own = optimizer.microBatches ?? []
      // The last rank has a micro-batch less than others in rounds; all know what each of them has.
      for failing in 0..<world.rankCount {
        for fault in Fault.allCases {
          let expected = try text(of: fault, failing, own, layout.count, world)
          try add(fault, failing == world.rank, own, layout, to: &optimizer)
          let what = "\(sharding), \(fault) on rank \(failing)"
          do {
            if fault == .parameters, failing == world.rank {
              let few = UnsafeMutableBufferPointer<Float>.allocate(capacity: 5)
              defer { few.deallocate() }
              try optimizer.step(few)
            } else {
              try optimizer.step(&parameters)
            }
          } catch {
            try Cases.requireSame("\(error)", world)
            try Cases.require("\(error)" == expected, "\(what): '\(error)'; expected '\(expected)'")
            try requireUntouched(parameters, optimizer.stepCount, what)
            continue
          }
          throw Cases.Failure(description: "\(what): nothing was thrown")
        }
      }
      // Once the cause is gone the same ranks go on.
      for microBatch in own { optimizer.add(try gradient(layout, 1), microBatch: microBatch) }
      try optimizer.step(&parameters)
      try Cases.require(optimizer.stepCount == 1 && parameters[0] != 0, "\(sharding): no step after the failures")
    }

    /// What goes wrong with tensors that are handed over one by one, on each rank in turn.
    private static func tensors(_ world: Communicator) throws {
      let layout = try caseLayout()
      for sharding in Sharding.allCases {
        var optimizer = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), sharding: sharding,
          reduction: .ordered(microBatches: world.rankCount), bucketBytes: 5000)
        var parameters = try ParameterVector<Float>(layout)
        let vector = try gradient(layout, 1)
        for failing in 0..<world.rankCount {
          for (fault, text) in [
            (
              "missing",
              "rank \(failing) added the gradient of tensor 'weight' in micro-batch \(failing) 0 times; expected once"
            ),
            (
              "twice",
              "rank \(failing) added the gradient of tensor 'weight' in micro-batch \(failing) 2 times; expected once"
            ),
            ("count", "gradient of tensor 'weight' in micro-batch \(failing) has count 3; expected 6144"),
            ("place", "tensor is 6; expected a position in the layout, 0 to 5"),
          ] {
            for microBatch in optimizer.microBatches ?? [] {
              for (index, tensor) in layout.tensors.enumerated() {
                let isBad = failing == world.rank && tensor.name == "weight"
                vector.withUnsafeBufferPointer { all in
                  let part = UnsafeBufferPointer(rebasing: all[tensor.range])
                  switch fault {
                  case "missing" where isBad: break
                  case "count" where isBad:
                    optimizer.add(UnsafeBufferPointer(rebasing: part[..<3]), tensor: index, microBatch: microBatch)
                  default: optimizer.add(part, tensor: index, microBatch: microBatch)
                  }
                  if fault == "twice", isBad { optimizer.add(part, tensor: index, microBatch: microBatch) }
                  if fault == "place", isBad { optimizer.add(part, tensor: 6, microBatch: microBatch) }
                }
              }
            }
            try expect(text, world) { try optimizer.step(&parameters) }
            try requireUntouched(parameters, optimizer.stepCount, "\(sharding), \(fault) on rank \(failing)")
          }
        }
      }
    }

    private static func gradient(_ layout: ParameterLayout, _ value: Float) throws -> ParameterVector<Float> {
      var gradient = try ParameterVector<Float>(layout)
      gradient.fill(value)
      return gradient
    }

    /// The text of a fault, which the failing rank alone can write: the others get it word by word.
    private static func text(
      of fault: Fault, _ failing: Int, _ own: [Int], _ count: Int, _ world: Communicator
    ) throws -> String {
      var bytes = [UInt64](repeating: 0, count: 200)
      if failing == world.rank {
        for (index, byte) in fault.text(of: failing, own, count).utf8.enumerated() { bytes[index] = UInt64(byte) }
      }
      try world.sum(&bytes)
      return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8($0) }, as: UTF8.self)
    }

    private static func add(
      _ fault: Fault, _ isFailing: Bool, _ own: [Int], _ layout: ParameterLayout,
      to optimizer: inout DistributedOptimizer<Float>
    ) throws {
      for (position, microBatch) in own.enumerated() {
        var vector = try gradient(layout, 1)
        if isFailing, position == own.count - 1 {
          // In the middle of a tensor that ranks share.
          if fault == .notFinite { vector[7001 + 4100] = .nan }
          if fault == .missing { continue }
          if fault == .thrown { optimizer.fail(OwnError()) }
          if fault == .library { optimizer.fail(MomentumError.unknownTensor(name: "x")) }
        }
        if isFailing, position == 0, fault == .wrongCount {
          let short = UnsafeMutableBufferPointer<Float>.allocate(capacity: 7)
          short.initialize(repeating: 1)
          optimizer.add(UnsafeBufferPointer(short), microBatch: microBatch)
          short.deallocate()
          continue
        }
        optimizer.add(vector, microBatch: microBatch)
      }
      if isFailing, fault == .twice, let last = own.last { optimizer.add(try gradient(layout, 1), microBatch: last) }
    }

    private static func requireUntouched(
      _ parameters: borrowing ParameterVector<Float>, _ steps: Int, _ what: String
    ) throws {
      for index in 0..<parameters.count {
        try Cases.require(parameters[index] == 0, "\(what): parameter \(index) was written")
      }
      try Cases.require(steps == 0, "\(what): a step was counted")
    }

    // MARK: Ranks that differ

    static func differences(_ world: Communicator) throws {
      guard world.rankCount > 1 else { return }
      let odd = world.rankCount - 1
      let isOdd = world.rank == odd
      let layout = try caseLayout()
      let other = try ParameterLayout(layout.tensors.reversed().map { ($0.name, $0.shape) })
      try expect("the tensors of rank \(odd) differ from those of rank 0; expected the same on all ranks", world) {
        _ = try DistributedOptimizer<Float>(
          isOdd ? other : layout, on: world, rule: SGD(learningRate: 0.1), reduction: .library)
      }
      let settings = "the settings of rank \(odd) differ from those of rank 0; expected the same on all ranks"
      try expect(settings, world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: isOdd ? 0.2 : 0.1), reduction: .library)
      }
      try expect(settings, world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), clipping: isOdd ? .byGlobalNorm(1) : .byGlobalNorm(2),
          reduction: .library)
      }
      try expect(settings, world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), reduction: .ordered(microBatches: isOdd ? 3 : 4))
      }
      try expect(settings, world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), clipping: .byValue(1), reportsNorms: !isOdd,
          reduction: .library)
      }
      try expect(settings, world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), reduction: .ordered(microBatches: 4),
          bucketBytes: isOdd ? 4096 : nil)
      }
      // What no description says.
      try expect(settings, world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: LARS(learningRate: 0.1, epsilon: isOdd ? 1e-9 : 0), reduction: .library)
      }
      try expect(settings, world) {
        let rule = try Scheduled(SGD(learningRate: 0.1), learningRate: .cosine(initial: 0.1, steps: isOdd ? 9 : 10))
        _ = try DistributedOptimizer<Float>(layout, on: world, rule: rule, reduction: .library)
      }
      try expect("bucketBytes is 0; expected at least 1", world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), reduction: .ordered(microBatches: 4),
          bucketBytes: isOdd ? 0 : 4096)
      }
      try expect("reduction is library; expected ordered where gradients travel in buckets", world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), reduction: .library, bucketBytes: 4096)
      }
      // A setting that is refused on one rank alone.
      try expect("threads is 0; expected at least 1", world) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), reduction: .library, threads: isOdd ? 0 : 1)
      }
      try expect(
        "reduction is library; expected ordered where gradients are divided among the ranks", world
      ) {
        _ = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), sharding: .stateAndGradients, reduction: .library)
      }
      try expect("the parameters of rank \(odd) differ from those of rank 0; expected the same on all ranks", world) {
        var optimizer = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), reduction: .library)
        var parameters = try gradient(layout, isOdd ? 1 : 2)
        optimizer.add(try gradient(layout, 1), microBatch: 0)
        try optimizer.step(&parameters)
      }
      try expect("gradients of all ranks has count 0; expected 1", world) {
        var optimizer = try DistributedOptimizer<Float>(
          layout, on: world, rule: SGD(learningRate: 0.1), reduction: .library)
        var parameters = try gradient(layout, 1)
        try optimizer.step(&parameters)
      }
      try unreadableState(layout, world)
    }

    private static func unreadableState(_ layout: ParameterLayout, _ world: Communicator) throws {
      var optimizer = try DistributedOptimizer<Float>(
        layout, on: world, rule: SGD(learningRate: 0.1), reduction: .library)
      do {
        try optimizer.restore(from: "/nonexistent/state")
      } catch {
        try Cases.requireSame("\(error)", world)
        return
      }
      throw Cases.Failure(description: "a file that is not there was read")
    }

    /// Fails unless all ranks throw this error.
    static func expect(_ text: String, _ world: Communicator, _ body: () throws -> Void) throws {
      do {
        try body()
      } catch {
        try Cases.requireSame("\(error)", world)
        return try Cases.require("\(error)" == text, "'\(error)'; expected '\(text)'")
      }
      throw Cases.Failure(description: "not refused: \(text)")
    }

    // MARK: Ends

    /// The last rank exits without finishing, while the others wait for it.
    static func exitEarly(_ world: Communicator) -> Never {
      if world.rank == world.rankCount - 1 { exit(EXIT_SUCCESS) }
      var words: [UInt64] = [1]
      try? world.sum(&words)
      exit(EXIT_SUCCESS)
    }

    /// The last rank is killed, while the others wait for it.
    static func die(_ world: Communicator) -> Never {
      if world.rank == world.rankCount - 1 { kill(getpid(), SIGKILL) }
      var words: [UInt64] = [1]
      try? world.sum(&words)
      exit(EXIT_SUCCESS)
    }
  }
#endif
