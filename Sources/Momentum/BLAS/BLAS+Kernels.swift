internal import CMomentumLoadedBLAS

extension BLAS {
  /// Who has chosen the kernels that the loaded BLAS runs.
  public enum KernelChoice: Sendable, Hashable {
    /// The library itself: none that OpenBLAS has would suit the processor better, or the library is another one.
    case library
    /// The caller of this process, by the variable `OPENBLAS_CORETYPE`.
    case environment
    /// This library, when it was loaded or by ``BLAS/chooseKernels()``; `before` are those that OpenBLAS had chosen.
    case momentum(before: String)
    /// Nobody: better kernels were not taken.
    case refused(Refusal)

    /// Why better kernels were not taken.
    public enum Refusal: String, Sendable, Hashable, Codable {
      /// The process had other threads than OpenBLAS's, and one of them might have been computing.
      case otherThreads
      /// The build of OpenBLAS hides the functions that choose.
      case hiddenFunctions
      /// The build of OpenBLAS has kernels for one processor only.
      case oneTarget
      /// OpenBLAS did not take them.
      case notTaken
    }

    /// The choice for this process, as it stands.
    public static var current: KernelChoice { KernelChoice(momentum_kernels()) }

    init(_ choice: momentum_kernel_choice) {
      switch choice {
      case momentum_kernels_of_environment: self = .environment
      case momentum_kernels_chosen: self = .momentum(before: String(cString: momentum_kernels_before()))
      case momentum_kernels_refused_for_threads: self = .refused(.otherThreads)
      case momentum_kernels_refused_for_hiding: self = .refused(.hiddenFunctions)
      case momentum_kernels_refused_for_one_target: self = .refused(.oneTarget)
      case momentum_kernels_refused_by_library: self = .refused(.notTaken)
      default: self = .library
      }
    }
  }

  /// Lets OpenBLAS run the kernels that suit the processor, if it has chosen slower ones.
  ///
  /// A program need not call this: it happens when the library is loaded. It is for hosts that load the library as a
  /// plugin while they have threads, where that is refused (``KernelChoice/Refusal/otherThreads``), and that know what
  /// their threads do.
  ///
  /// - Precondition: No other thread is in a BLAS routine or in a call of this library, or reads the environment. The
  ///   results of a routine that runs meanwhile are wrong.
  /// - Note: Other kernels round otherwise; see <doc:Accuracy#What-bits-depend-on>.
  /// - Returns: The choice that holds from now on.
  @discardableResult
  public static func chooseKernels() -> KernelChoice {
    let choice = KernelChoice(momentum_choose_kernels())
    BLASTraits.forgetBehavior()
    return choice
  }
}

extension BLAS.KernelChoice: CustomStringConvertible {
  public var description: String {
    switch self {
    case .library: "chosen by the library itself"
    case .environment: "chosen by OPENBLAS_CORETYPE, which is set in the environment"
    case .momentum(let before): "chosen by momentum instead of \(before)"
    case .refused(.otherThreads): "not the best, because the process had threads when momentum was loaded"
    case .refused(.hiddenFunctions): "not the best, because this OpenBLAS hides how to choose others"
    case .refused(.oneTarget): "not the best, because this OpenBLAS has no others"
    case .refused(.notTaken): "not the best, because OpenBLAS did not take others"
    }
  }
}
