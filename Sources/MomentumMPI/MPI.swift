#if MPI
  internal import CMomentumMPI
  import Foundation
  import Synchronization

  /// The MPI of this process.
  ///
  /// ```swift
  /// try MPI.start()
  /// let world = try Communicator.world()
  /// // ...
  /// try MPI.finish()
  /// ```
  ///
  /// A process that exits between `start` and `finish` ends the whole job with a failure, so that no rank waits for it
  /// for ever. A program that has started MPI by itself need not call either.
  public enum MPI {
    /// Whether this library has started MPI and not finished it.
    private static let isRunning = Atomic<Bool>(false)

    /// Starts MPI, unless it is started.
    ///
    /// - Throws: ``DistributedError/setup(_:)`` if the MPI at hand is not the one that this was compiled for, if it
    ///   allows no calls from several threads, or if the program was started by the launcher of another MPI.
    public static func start() throws(DistributedError) {
      try checkLibrary()
      guard cmpi_is_finished() == 0 else { throw .setup("MPI is finished; expected one start in each process") }
      if cmpi_is_started() == 0 {
        var isGranted: CInt = 0
        try check("MPI_Init_thread", cmpi_start(&isGranted))
        isRunning.store(true, ordering: .sequentiallyConsistent)
        atexit {
          guard MPI.isRunning.load(ordering: .sequentiallyConsistent) else { return }
          FileHandle.standardError.write(
            Data("error: the process exits before MPI.finish(); the other ranks are ended too\n".utf8))
          cmpi_abort(EXIT_FAILURE)
        }
        guard isGranted != 0 else { throw .setup("MPI allows one thread only; expected MPI_THREAD_SERIALIZED") }
      }
      try checkLauncher()
    }

    /// Finishes MPI, if ``start()`` has started it. All ranks call it when they need each other no more.
    public static func finish() throws(DistributedError) {
      guard isRunning.exchange(false, ordering: .sequentiallyConsistent) else { return }
      try check("MPI_Finalize", cmpi_finish())
    }

    /// Ends all ranks at once with a failure.
    public static func abort(status: Int32 = 1) -> Never {
      isRunning.store(false, ordering: .sequentiallyConsistent)
      if cmpi_is_started() != 0, cmpi_is_finished() == 0 { cmpi_abort(status) }
      _exit(status)
    }

    /// The name and the version of the MPI at hand, for example `Open MPI v4.1.4`.
    public static var library: String {
      var text = [CChar](repeating: 0, count: 512)
      _ = cmpi_library(&text, CInt(text.count))
      let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      return String(decoding: bytes, as: UTF8.self).split(whereSeparator: { ",\n".contains($0) }).first.map(String.init)
        ?? "unknown"
    }

    /// The MPIs have different handles. A program that was compiled for one and loads another would crash.
    private static func checkLibrary() throws(DistributedError) {
      let (header, library) = (String(cString: cmpi_header()), library)
      let isOpenMPI = library.hasPrefix("Open MPI")
      guard !header.isEmpty, (header == "Open MPI") != isOpenMPI else { return }
      throw .setup("the program was compiled for \(header) and has loaded \(library); expected the same MPI")
    }

    /// Under the launcher of another MPI every process believes that it is alone.
    private static func checkLauncher() throws(DistributedError) {
      var size: CInt = 0
      try check("MPI_Comm_size", cmpi_size(cmpi_world(), &size))
      guard size == 1 else { return }
      for variable in ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"] {
        guard let value = ProcessInfo.processInfo.environment[variable], let count = Int(value), count > 1 else {
          continue
        }
        throw .setup(
          "the launcher has started \(count) processes (\(variable)), and \(library) knows of one; "
            + "expected the launcher of the MPI that the program was compiled for")
      }
    }

    /// Throws if a routine of MPI has failed.
    static func check(_ routine: String, _ code: CInt) throws(DistributedError) {
      guard code != 0 else { return }
      var text = [CChar](repeating: 0, count: 1024)
      _ = cmpi_error_text(code, &text, CInt(text.count))
      let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw .mpi(routine: routine, message: String(decoding: bytes, as: UTF8.self))
    }
  }
#endif
