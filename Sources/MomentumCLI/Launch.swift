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
/// OpenBLAS reads its settings while it is loaded. Its kernels are then chosen by the library (``BLAS/KernelChoice``),
/// and with GNU's C library its number of threads by the command (`early_start.c`).
enum Launch {
  /// Says how many threads OpenBLAS starts.
  static let threadsVariable = MOMENTUM_THREADS_VARIABLE

  /// Who has chosen the number of threads that the BLAS may start.
  enum ThreadChoice: String, Encodable {
    case library
    case environment
    case momentum
  }

  /// The choice for this process.
  static var threadChoice: ThreadChoice {
    if momentum_asked_for_one_thread() != 0 { return .momentum }
    return [threadsVariable, "GOTO_NUM_THREADS", "OMP_NUM_THREADS"].contains { isSet($0) } ? .environment : .library
  }

  /// Makes this process what the command runs in: with the streams that it needs, and with a word for files that shrink.
  static func prepare() {
    occupyStandardStreams()
    momentum_report_shrunk_files(EXIT_FAILURE)
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
}
