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

  /// Which OpenBLAS this process has loaded, and which of its kernels it runs.
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
    /// How many threads OpenBLAS may start of its own, process-wide.
    public let threadCount: Int
    /// How many processors OpenBLAS sees.
    public let processorCount: Int
    /// Bits of the integers that count elements.
    public let integerWidth: Int

    /// The family whose kernels would suit the processor better than ``coreName``; `nil` if the running ones suit it best.
    ///
    /// OpenBLAS recognises processors by model number, and runs its oldest kernels (`Prescott`: SSE3, no fused multiply-add, half
    /// the speed) on one that is newer than itself; on a Zen 4, which splits vectors of 512 bits in two, it runs those for AVX-512,
    /// though steps are up to a fifth faster with those for AVX2. The environment variable `OPENBLAS_CORETYPE` overrides its
    /// choice. It is read while the library is loaded, so it has to be set before the process starts: the command
    /// `momentum` starts itself anew for that; a program of your own is run as `OPENBLAS_CORETYPE=SkylakeX program`.
    public let recommendedCoreType: String?

    /// What this process has loaded. The thread count is that of the moment; everything else never changes.
    public static var current: LibraryInfo {
      let config = String(cString: openblas_get_config())
      let coreName = String(cString: openblas_get_corename())
      return LibraryInfo(
        config: config, version: version(in: config), coreName: coreName,
        threading: [.sequential, .pthreads, .openmp][min(max(Int(openblas_get_parallel()), 0), 2)],
        threadCount: Int(openblas_get_num_threads()), processorCount: Int(openblas_get_num_procs()),
        integerWidth: blasint.bitWidth, recommendedCoreType: recommendation)
    }

    private static let recommendation = recommendedCoreType(
      config: String(cString: openblas_get_config()), coreName: String(cString: openblas_get_corename()),
      processor: .current)

    /// The number after the name, as in `OpenBLAS 0.3.21 DYNAMIC_ARCH`.
    static func version(in config: String) -> String? {
      let words = config.split(separator: " ")
      guard words.count > 1, words[0] == "OpenBLAS", words[1].first?.isNumber == true else { return nil }
      return String(words[1])
    }

    /// The core type whose vectors suit an x86-64 processor better than those of `coreName`.
    static func recommendedCoreType(config: String, coreName: String, processor: Processor) -> String? {
      // A library built for one family has no other kernels to choose from.
      guard config.split(separator: " ").contains("DYNAMIC_ARCH") else { return nil }
      let running = vectorBits[coreName.lowercased()] ?? 512
      let features = processor.features
      if processor.splitsWideVectors { return running == 256 ? nil : "Zen" }
      // The kernels for SkylakeX need all four of these, as does OpenBLAS when it picks them itself.
      if features.isSuperset(of: ["avx512f", "avx512dq", "avx512bw", "avx512vl"]) {
        return running < 512 ? "SkylakeX" : nil
      }
      if features.isSuperset(of: ["avx2", "fma"]) { return running < 256 ? "Haswell" : nil }
      return nil
    }

    /// Vector width of the kernels by family; those with AVX but without fused multiply-add are counted as 128, since what is asked
    /// is whether Haswell's would be better. A name that is not here is newer than this table, or of no x86-64 processor.
    private static let vectorBits: [String: Int] = {
      let narrow = [
        "katmai", "coppermine", "northwood", "banias", "prescott", "core2", "penryn", "dunnington", "atom", "nehalem",
        "athlon", "opteron", "opteron_sse3", "barcelona", "bobcat", "nano", "sandybridge", "bulldozer", "piledriver",
        "steamroller", "excavator", "unknown",
      ]
      var bits = Dictionary(uniqueKeysWithValues: narrow.map { ($0, 128) })
      bits["haswell"] = 256
      bits["zen"] = 256
      return bits
    }()
  }
}
