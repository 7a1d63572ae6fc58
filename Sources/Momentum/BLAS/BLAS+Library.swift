internal import CMomentumLoadedBLAS

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

  /// The BLAS that this process has loaded, and the kernels that it runs. Only OpenBLAS describes itself; of another
  /// library those facts are `nil`.
  public struct LibraryInfo: Sendable, Hashable {
    /// The file that serves `cblas_sdot`, without symbolic links; `nil` if it cannot be known, as in a program that is
    /// linked statically.
    public let file: String?
    /// The file that serves `dgemm` to LAPACK and other code in Fortran; `nil` if there is none.
    public let fortranFile: String?
    /// The build's description of itself (`openblas_get_config`), for example
    /// `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH NO_AFFINITY Haswell MAX_THREADS=64`.
    public let config: String?
    /// The release, for example `0.3.21`; `nil` if `config` does not say it.
    public let version: String?
    /// The processor family whose kernels run (`openblas_get_corename`), for example `Haswell`.
    public let coreName: String?
    /// Who has chosen these kernels.
    public let kernelChoice: KernelChoice
    /// The family whose kernels would suit the processor better than those of ``coreName``; `nil` if the running ones
    /// suit it best, or if the library is not OpenBLAS.
    ///
    /// OpenBLAS recognises processors by model number. On one that is newer than itself it may run its oldest kernels
    /// (`Prescott`: SSE3, no fused multiply-add, half the speed). On a Zen 4, which splits vectors of 512 bits in two,
    /// OpenBLAS runs its kernels for AVX-512, although steps are up to a fifth faster with its kernels for AVX2. This
    /// library chooses others while it is loaded; ``kernelChoice`` says whether, and if not, why.
    public let recommendedCoreType: String?
    /// How the library was built to use threads.
    public let threading: Threading?
    /// The number of threads that OpenBLAS may start, for the whole process.
    public let threadCount: Int?
    /// The number of processors that OpenBLAS sees.
    public let processorCount: Int?
    /// What the probes have found.
    public let behavior: Behavior

    /// What to call the library: by its description, or by its file.
    public var name: String { LoadedBLAS.name }

    /// The width in bits of the integers that count elements.
    public var integerWidth: Int { behavior.integerWidth }

    /// What costs speed or digits, each a sentence for a person; empty if there is nothing.
    public var warnings: [String] {
      var warnings = behavior.warnings
      if let better = recommendedCoreType, kernelChoice != .environment {
        warnings.append("its kernels for \(better) would be faster: those that run are \(kernelChoice)")
      }
      if let file, let fortranFile, file != fortranFile {
        warnings.append("LAPACK and other code in Fortran call another BLAS, \(fortranFile)")
      }
      return warnings
    }

    /// The library that this process has loaded. The thread count is read anew at each call; the kernels change only by
    /// ``BLAS/chooseKernels()``, and everything else never.
    public static var current: LibraryInfo {
      let (config, core) = (LoadedBLAS.config, LoadedBLAS.text(momentum_openblas_core()))
      let (threads, processors) = (Int(momentum_openblas_threads()), Int(momentum_openblas_processors()))
      let threading: Threading? =
        switch momentum_openblas_parallel() {
        case 0: .sequential
        case 1: .pthreads
        case 2: .openmp
        default: nil
        }
      return LibraryInfo(
        file: LoadedBLAS.file(of: "cblas_sdot"), fortranFile: LoadedBLAS.file(of: "dgemm_"), config: config,
        version: config.flatMap(version), coreName: core, kernelChoice: .current,
        recommendedCoreType: core.flatMap {
          LoadedBLAS.text(momentum_better_kernels($0, momentum_processor_vectors()))
        },
        threading: threading, threadCount: threads > 0 ? threads : nil,
        processorCount: processors > 0 ? processors : nil, behavior: BLASTraits.behavior)
    }

    /// The number after the library's name, as in `OpenBLAS 0.3.21 DYNAMIC_ARCH`.
    static func version(in config: String) -> String? {
      let words = config.split(separator: " ")
      guard words.count > 1, words[0] == "OpenBLAS", words[1].first?.isNumber == true else { return nil }
      return String(words[1])
    }
  }
}
