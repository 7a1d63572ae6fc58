import Momentum

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The start of the command, before it looks at its arguments.
enum Launch {
  /// Chooses the kernels that OpenBLAS runs; read by the library itself, while it is loaded.
  static let coreTypeVariable = "OPENBLAS_CORETYPE"
  /// Says that the command has set the other variable and started itself anew. Also keeps it from doing so twice.
  static let restartVariable = "MOMENTUM_RESTARTED_FOR_CORETYPE"

  /// Who chose the kernels that run.
  enum CoreTypeChoice: String, Encodable {
    case openBLAS
    case environment
    case restart
  }

  static var coreTypeChoice: CoreTypeChoice {
    guard getenv(coreTypeVariable) != nil else { return .openBLAS }
    return getenv(restartVariable) == nil ? .environment : .restart
  }

  /// Replaces this process by itself, with faster BLAS kernels chosen, if OpenBLAS has not recognised the processor.
  ///
  /// The process id, arguments, open files, working folder and environment stay as they are, but for two variables.
  /// Returns if there is nothing to gain, if the caller has set `OPENBLAS_CORETYPE`, or if the restart fails: the
  /// command then runs with the kernels it has, which are slower and just as right.
  static func restartForFastKernels() {
    guard getenv(coreTypeVariable) == nil, getenv(restartVariable) == nil,
      let coreType = BLAS.LibraryInfo.current.recommendedCoreType, let path = executablePath()
    else { return }
    setenv(coreTypeVariable, coreType, 1)
    setenv(restartVariable, "1", 1)
    _ = path.withCString { execv($0, CommandLine.unsafeArgv) }
    unsetenv(coreTypeVariable)
    unsetenv(restartVariable)
  }

  /// The file that runs. Its real path and not `/proc/self/exe`, by which `ps` would call the new process `exe`.
  private static func executablePath() -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = buffer.withUnsafeMutableBytes {
      readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
    }
    guard count > 0, count < buffer.count else { return nil }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }
}
