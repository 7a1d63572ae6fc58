#if MPI
  Cases.run(Array(CommandLine.arguments.dropFirst()))
#else
  import Foundation

  FileHandle.standardError.write(Data("error: the cases were built without MPI; expected Scripts/test-mpi.sh\n".utf8))
  exit(EXIT_FAILURE)
#endif
