#if MPI
  import Foundation
  import Momentum
  import MomentumMPI

  /// The cases that Scripts/test-mpi.sh runs under mpirun. A case prints on rank 0 what must not depend on the number of
  /// ranks, and ends with a failure if something is not as it must be.
  enum Cases {
    /// Something that is not as it must be.
    struct Failure: Error, CustomStringConvertible {
      let description: String
    }

    static func run(_ arguments: [String]) {
      do {
        try MPI.start()
        let world = try Communicator.world()
        try run(arguments, world)
        try MPI.finish()
      } catch {
        FileHandle.standardError.write(Data("error: \(error)\n".utf8))
        MPI.abort()
      }
    }

    private static func run(_ arguments: [String], _ world: Communicator) throws {
      switch arguments.first {
      case "norm": try NormCases.run(world)
      case "train": try TrainCases.train(TrainCases.Options(Array(arguments.dropFirst())), world)
      case "reference": try TrainCases.reference(TrainCases.Options(Array(arguments.dropFirst())))
      case "failures": try FailureCases.run(world)
      case "differences": try FailureCases.differences(world)
      case "trials": try FailureTrials.run(seed: integer(arguments, 1), count: integer(arguments, 2), world)
      case "die": try FailureTrials.die(seed: integer(arguments, 1), arguments[2], world)
      case "ranks": try CommunicatorCases.run(world)
      case "grid": try GridCases.run(GridCases.Grid(arguments[1]), world)
      case "grid-reference": try GridCases.reference(world)
      case "snippets": try DocumentationSnippetsOfRanks.run(arguments[1], world)
      case "files": try FileCases.write(to: arguments[1])
      case "exit": FailureCases.exitEarly(world)
      case "kill": FailureCases.die(world)
      case "save-for-ever": try TrainCases.saveForEver(arguments[1], world)
      default: throw Failure(description: "no case '\(arguments.first ?? "")'")
      }
    }

    private static func integer(_ arguments: [String], _ index: Int) throws -> Int {
      guard index < arguments.count, let number = Int(arguments[index]) else {
        throw Failure(description: "argument \(index) of '\(arguments[0])' is no number")
      }
      return number
    }

    /// Prints a line, on rank 0 only.
    static func print(_ line: String, _ world: Communicator) {
      if world.rank == 0 { Swift.print(line) }
    }

    static func require(_ condition: Bool, _ text: @autoclosure () -> String) throws {
      guard condition else { throw Failure(description: text()) }
    }

    /// Fails unless a text is the same on all ranks.
    static func requireSame(_ text: String, _ world: Communicator) throws {
      var hash = WordHash()
      hash.add(text)
      var both = [hash.value, ~hash.value]
      try world.max(&both)
      try require(both[0] == ~both[1], "rank \(world.rank) has '\(text)', and another rank has something else")
    }
  }

  /// Numbers that depend on their place only, with all bits of a `Float` in use.
  func number(_ seeds: Int...) -> Float {
    var hash = WordHash()
    for seed in seeds { hash.add(UInt64(seed)) }
    return Float(Int32(truncatingIfNeeded: hash.value >> 24)) * 0x1p-31
  }

  /// Tensors of all kinds of sizes: cut and whole, empty and single.
  func caseLayout() throws -> ParameterLayout {
    try ParameterLayout([
      ("embedding", [70, 100]), ("empty", [0]), ("scale", []), ("weight", [3, 2048]), ("bias", [129]), ("head", [5000]),
    ])
  }

  func hex(_ number: Double) -> String { String(number.bitPattern, radix: 16) }
#endif
