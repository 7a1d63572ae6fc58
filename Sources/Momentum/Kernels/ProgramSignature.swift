internal import CMomentumKernels

/// A program as the number under which its loop is known: what its operations do and to which operand, in order.
struct ProgramSignature: Equatable {
  /// What an operation does, with the operand that it reads beside the one that it changes.
  enum Verb {
    case axpy(UInt8), assign(UInt8), averageSquares(UInt8), divideByRoot(UInt8)
    case scal, sign, clear, clamp

    @inline(__always)
    var number: UInt32 {
      switch self {
      case .axpy(let from): MOMENTUM_FUSED_AXPY.rawValue + UInt32(from)
      case .assign(let from): MOMENTUM_FUSED_ASSIGN.rawValue + UInt32(from)
      case .averageSquares(let from): MOMENTUM_FUSED_AVERAGE_SQUARES.rawValue + UInt32(from)
      case .divideByRoot(let from): MOMENTUM_FUSED_DIVIDE_BY_ROOT.rawValue + UInt32(from)
      case .scal: MOMENTUM_FUSED_SCAL.rawValue
      case .sign: MOMENTUM_FUSED_SIGN.rawValue
      case .clear: MOMENTUM_FUSED_CLEAR.rawValue
      case .clamp: MOMENTUM_FUSED_CLAMP.rawValue
      }
    }
  }

  /// The largest number of operations of a program that has a loop.
  static var longest: Int { Int(MOMENTUM_FUSED_LONGEST) }

  /// 0 for a program that does nothing.
  private(set) var number: UInt64 = 0

  /// The code of an operation: what it does, and to which operand.
  @inline(__always)
  static func code(_ verb: Verb, into: UInt8) -> UInt8 {
    UInt8(truncatingIfNeeded: momentum_fused_code(verb.number, UInt32(into)))
  }

  /// Sets the operation at a position, which had none.
  @inline(__always)
  mutating func set(_ code: UInt8, at position: Int) { number |= UInt64(code) &<< (8 &* UInt64(position)) }
}
