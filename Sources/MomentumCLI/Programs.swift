#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The programs that run commands of this module.
public enum Programs {
  /// Runs `momentum` with the arguments of the process, and ends it.
  public static func momentum() -> Never {
    Launch.prepare()
    EndingSignals.cleanUp()
    Invocation(root: MomentumCommand.self).run(Array(CommandLine.arguments.dropFirst()))
  }

  /// Runs `momentum-mpi` with the arguments of the process, and ends it. Rank 0 speaks for all.
  public static func momentumMPI() -> Never {
    Launch.prepare()
    EndingSignals.cleanUp()
    #if MPI
      RankInvocation.run(Array(CommandLine.arguments.dropFirst()))
    #else
      Message.write("Error: momentum-mpi was built without MPI; expected swift build --traits default,MPI")
      _exit(EXIT_FAILURE)
    #endif
  }
}
