internal import CMomentumBLAS

extension BLAS {
  /// How an OpenBLAS library was built to use threads.
  public enum Threading: String, Sendable, Hashable, Codable {
    /// Without threads of its own.
    case sequential
    /// With POSIX threads.
    case pthreads
    /// With the threads of OpenMP.
    case openmp
  }

  /// The OpenBLAS that this process has loaded, and the kernels that it runs.
  public struct LibraryInfo: Sendable, Hashable {
    /// The build's description of itself (`openblas_get_config`), for example
    /// `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=64`.
    public let config: String
    /// The release, for example `0.3.21`; `nil` if `config` does not say it.
    public let version: String?
    /// The processor family whose kernels run (`openblas_get_corename`), for example `Haswell`.
    public let coreName: String
    /// How the library was built to use threads.
    public let threading: Threading
    /// The number of threads that OpenBLAS may start, for the whole process.
    public let threadCount: Int
    /// The number of processors that OpenBLAS sees.
    public let processorCount: Int
    /// The width in bits of the integers that count elements.
    public let integerWidth: Int

    /// The family whose kernels would suit the processor better than ``coreName``; `nil` if the running ones suit it
    /// best.
    ///
    /// OpenBLAS recognises processors by model number. On one that is newer than itself it runs its oldest kernels
    /// (`Prescott`: SSE3, no fused multiply-add, half the speed). On a Zen 4, which splits vectors of 512 bits in two,
    /// OpenBLAS runs its kernels for AVX-512, although steps are up to a fifth faster with its kernels for AVX2.
    ///
    /// The environment variable `OPENBLAS_CORETYPE` overrides this choice. It is read while the library is loaded, so
    /// it has to be set before the process starts: run a program of your own as `OPENBLAS_CORETYPE=SkylakeX program`.
    /// The command `momentum` starts itself anew for that.
    public let recommendedCoreType: String?

    /// The library that this process has loaded. The thread count is read anew at each call; everything else never
    /// changes.
    public static var current: LibraryInfo {
      let config = String(cString: openblas_get_config())
      let coreName = String(cString: openblas_get_corename())
      return LibraryInfo(
        config: config, version: version(in: config), coreName: coreName,
        threading: [.sequential, .pthreads, .openmp][min(max(Int(openblas_get_parallel()), 0), 2)],
        threadCount: Int(openblas_get_num_threads()), processorCount: Int(openblas_get_num_procs()),
        integerWidth: blasint.bitWidth, recommendedCoreType: recommendation)
    }

    private static let recommendation = BLASTraits.recommendedCoreType(
      config: String(cString: openblas_get_config()), coreName: String(cString: openblas_get_corename()),
      processor: .current)

    /// The number after the library's name, as in `OpenBLAS 0.3.21 DYNAMIC_ARCH`.
    static func version(in config: String) -> String? {
      let words = config.split(separator: " ")
      guard words.count > 1, words[0] == "OpenBLAS", words[1].first?.isNumber == true else { return nil }
      return String(words[1])
    }
  }
}
