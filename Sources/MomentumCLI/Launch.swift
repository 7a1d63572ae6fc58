import CMomentumProcess
import Momentum

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The start of the command, before it looks at its arguments.
///
/// OpenBLAS reads its settings while it is loaded, so that a process which wants others has to be executed anew. With
/// GNU's C library that happens for the number of threads before OpenBLAS is initialised (`early_start.c`), and for the
/// kernels here, since OpenBLAS has to say first which ones it takes.
enum Launch {
  /// Chooses the kernels that OpenBLAS runs.
  static let coreTypeVariable = "OPENBLAS_CORETYPE"
  /// Says that the command has set the other variable and started itself anew. Also keeps it from doing so twice.
  static let coreTypeMark = "MOMENTUM_RESTARTED_FOR_CORETYPE"
  /// Says how many threads OpenBLAS starts.
  static let threadsVariable = MOMENTUM_THREADS_VARIABLE
  /// Says that the command has set the other variable and started itself anew.
  static let threadsMark = MOMENTUM_THREADS_MARK

  /// Who has chosen a setting of OpenBLAS.
  enum Choice: String, Encodable {
    case openBLAS
    case environment
    case restart
  }

  /// Who has chosen the kernels, and who the number of threads.
  struct Choices {
    var coreType: Choice
    var threads: Choice

    /// Reads the environment with which this process was started.
    fileprivate init() {
      coreType = Self.choice(of: [coreTypeVariable], mark: coreTypeMark)
      threads = Self.choice(of: [threadsVariable, "GOTO_NUM_THREADS", "OMP_NUM_THREADS"], mark: threadsMark)
    }

    private static func choice(of variables: [String], mark: String) -> Choice {
      guard variables.contains(where: { isSet($0) }) else { return .openBLAS }
      return isSet(mark) ? .restart : .environment
    }
  }

  /// The choices for this process; ``prepare()`` reads them first.
  static let choices = Choices()

  /// Makes this process what the command runs in: with the kernels and the streams that it needs, and with the
  /// environment that its caller gave it, which programs that it starts will inherit.
  static func prepare() {
    occupyStandardStreams()
    restartForFastKernels()
    let choices = Self.choices
    if choices.coreType == .restart { unsetenv(coreTypeVariable) }
    if choices.threads == .restart { unsetenv(threadsVariable) }
    for mark in [coreTypeMark, threadsMark] { unsetenv(mark) }
    momentum_report_shrunk_files(EXIT_FAILURE)
  }

  /// Replaces this process by itself, with faster BLAS kernels chosen, if OpenBLAS has not recognised the processor.
  ///
  /// The process id, arguments, open files, working folder and environment stay as they are, but for two variables.
  /// Returns if there is nothing to gain, if the caller has set `OPENBLAS_CORETYPE`, or if the restart fails: the
  /// command then runs with the kernels it has, which are slower and just as right.
  private static func restartForFastKernels() {
    guard !isSet(coreTypeVariable), !isSet(coreTypeMark),
      let coreType = BLAS.LibraryInfo.current.recommendedCoreType, let path = executablePath()
    else { return }
    setenv(coreTypeVariable, coreType, 1)
    setenv(coreTypeMark, "1", 1)
    _ = path.withCString { execv($0, CommandLine.unsafeArgv) }
    unsetenv(coreTypeVariable)
    unsetenv(coreTypeMark)
  }

  /// Puts something in the place of standard streams that are closed. A file that the command opens would take their
  /// numbers, and get what is meant for them. They are opened the wrong way round: reading or writing fails.
  private static func occupyStandardStreams() {
    for (stream, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
    where fcntl(stream, F_GETFD) == -1 {
      // The lowest number that is free, which is the one.
      _ = open("/dev/null", mode)
    }
  }

  /// Whether a variable of the environment has a value.
  private static func isSet(_ variable: String) -> Bool {
    guard let value = getenv(variable) else { return false }
    return value.pointee != 0
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
