#if MPI
  import ArgumentParser
  import Foundation
  import Momentum
  import MomentumMPI

  struct RankCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "momentum-mpi",
      abstract: "Norms, steps and training on the ranks of an MPI program.",
      discussion: """
        Start it with mpirun or srun. Every rank reads and writes its part of the tensors; output and files have the bytes \
        of the command momentum with the same arguments, on any number of ranks. Rank 0 speaks.
        """,
      version: MomentumVersion.current,
      subcommands: [
        RankNormCommand.self, RankStepCommand.self, RankTrainCommand.self, RankBenchCommand.self, RankInfoCommand.self,
      ])
  }

  /// A run of `momentum-mpi` on one rank.
  enum RankInvocation {
    static func run(_ arguments: [String]) -> Never {
      do throws(DistributedError) {
        try MPI.start()
        let invocation = Invocation(root: RankCommand.self, speaks: try Communicator.world().rank == 0)
        let status = invocation.status(of: arguments)
        try MPI.finish()
        invocation.end(with: status)
      } catch {
        Message.write("Error: \(error)")
        MPI.abort()
      }
    }
  }

  extension Communicator {
    /// Does something on every rank. If a rank throws, all do: this rank its own error, so that rank 0 can say what the
    /// command for one process would, and otherwise that of the first rank that has failed.
    func together<R>(_ body: () throws -> R) throws -> R {
      var own: (any Error)?
      do {
        return try agree {
          do { return try body() } catch {
            own = error
            throw error
          }
        }
      } catch {
        throw own ?? error
      }
    }
  }
#endif
