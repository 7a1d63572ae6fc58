internal import CMomentumKernels

/// A loop in C that runs a whole program on vectors that are kept in half precision; see ``FusedLoop``. Elements are
/// widened in registers, and what the program has changed is rounded once, when it is written.
struct FusedHalfLoop: Equatable {
  /// The ways in which parameters are kept.
  enum Parameters: UInt32 {
    case float, withBFloat16, withFloat16, split, nearest, stochastic
  }

  /// The ways in which the vectors of a program are kept, as a number.
  struct Storage: Equatable {
    fileprivate let number: Int32

    init(gradient: ElementType?, hasHalfDirection: Bool, _ parameters: Parameters) {
      let gradient =
        switch gradient {
        case .bfloat16: MOMENTUM_STORED_BFLOAT16
        case .float16: MOMENTUM_STORED_FLOAT16
        default: MOMENTUM_STORED_FLOAT
        }
      number = momentum_fused_storage(
        gradient, hasHalfDirection ? MOMENTUM_STORED_BFLOAT16 : MOMENTUM_STORED_FLOAT,
        momentum_stored_parameters(parameters.rawValue))
    }
  }

  /// The vectors from one element of a tensor on, and what the rounding of their elements depends on.
  struct Run {
    var gradient, direction, parameters: UnsafeMutableRawPointer?
    /// The remainders of split parameters, or the copy.
    var second: UnsafeMutableRawPointer?
    var index: Int
    var step: Int
    var key: UInt64
    /// Whether parameters that overflow become the largest numbers of their sign.
    var saturates: Bool
  }

  private let address: UnsafeRawPointer
  private let storage: Storage

  /// Finds the loop of a program; `nil` as for ``FusedLoop``.
  init?(_ signature: ProgramSignature, _ storage: Storage) {
    guard BLASTraits.axpyFuses, let address = momentum_find_fused_half_loop(signature.number, storage.number) else {
      return nil
    }
    (self.address, self.storage) = (address, storage)
  }

  /// Runs the loop on n elements.
  ///
  /// - Returns: The number of finite elements that exceeded their type, and of parameters that rounding to nearest has given
  ///   back the bits that they had.
  @inline(__always)
  func run(_ run: Run, _ factors: UnsafePointer<Float>, _ n: Int) -> (overflowed: Int, keptBits: Int) {
    var vectors = momentum_fused_halves(
      gradient: run.gradient, direction: run.direction, parameters: run.parameters, second: run.second,
      index: UInt64(truncatingIfNeeded: run.index), step: UInt64(truncatingIfNeeded: run.step), key: run.key,
      saturates: run.saturates ? 1 : 0)
    let losses = momentum_run_fused_half_loop(address, storage.number, &vectors, factors, n)
    return (Int(losses.too_large), Int(losses.kept_bits))
  }
}
