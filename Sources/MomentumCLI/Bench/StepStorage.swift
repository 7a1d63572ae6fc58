import CMomentumLimit
import Momentum

/// What a step keeps in half precision. Velocities are `Float`s in all but the last four, gradients of `BFloat16` in all but
/// one.
enum StepStorage: String, CaseIterable, Sendable {
  case bfloat16Gradients = "bfloat16-gradients"
  case float16Gradients = "float16-gradients"
  /// Parameters of `Float`, and a copy of them in `BFloat16`.
  case bfloat16Copy = "bfloat16-copy"
  /// `SplitParameters`.
  case remainders
  /// Parameters of `BFloat16` alone.
  case nearest = "bfloat16-nearest"
  case stochastic = "bfloat16-stochastic"
  /// Velocities of `BFloat16`, with parameters of `Float`.
  case bfloat16Velocity = "bfloat16-velocity"
  /// Velocities of `BFloat16`, and parameters of it alone, to nearest.
  case bfloat16All = "bfloat16-all"
  /// Velocities of `BFloat16`, with `SplitParameters`.
  case velocityRemainders = "bfloat16-velocity-remainders"
  /// Velocities of `BFloat16`, and parameters of it alone, at random.
  case allStochastic = "bfloat16-all-stochastic"

  var name: String {
    switch self {
    case .bfloat16Gradients: "bf16 gradients"
    case .float16Gradients: "f16 gradients"
    case .bfloat16Copy: "bf16 gradients and copy"
    case .remainders: "bf16 gradients and remainders"
    case .nearest: "bf16 gradients and parameters"
    case .stochastic: "bf16 gradients and parameters, stochastic"
    case .bfloat16Velocity: "bf16 gradients and velocity"
    case .bfloat16All: "bf16 gradients, velocity and parameters"
    case .velocityRemainders: "bf16 gradients, velocity and remainders"
    case .allStochastic: "bf16 gradients, velocity and parameters, stochastic"
    }
  }

  /// Those that Swift has types for.
  static var available: [StepStorage] {
    #if os(macOS) && arch(x86_64)
      allCases.filter { $0 != .float16Gradients }
    #else
      allCases
    #endif
  }

  /// Whether parameters are `Float`s.
  var hasWideParameters: Bool {
    switch self {
    case .bfloat16Gradients, .float16Gradients, .bfloat16Copy, .bfloat16Velocity: true
    case .remainders, .nearest, .stochastic, .bfloat16All, .velocityRemainders, .allStochastic: false
    }
  }

  /// Whether the velocity is of `BFloat16`.
  var hasHalfVelocity: Bool {
    switch self {
    case .bfloat16Velocity, .bfloat16All, .velocityRemainders, .allStochastic: true
    case .bfloat16Gradients, .float16Gradients, .bfloat16Copy, .remainders, .nearest, .stochastic: false
    }
  }

  /// Whether parameters are `SplitParameters`.
  var isSplit: Bool { self == .remainders || self == .velocityRemainders }

  /// Whether parameters are rounded at random.
  var isStochastic: Bool { self == .stochastic || self == .allStochastic }

  /// Whether parameters are rounded, so that every step starts from fewer bits than the last one computed.
  var roundsParameters: Bool { !hasWideParameters && !isSplit }

  /// Bytes of gradient, velocity and parameter.
  var bytesKept: Int {
    switch self {
    case .bfloat16Gradients, .float16Gradients, .remainders: 2 + 4 + 4
    case .bfloat16Copy: 2 + 4 + 4 + 2
    case .nearest, .stochastic: 2 + 4 + 2
    case .bfloat16Velocity, .velocityRemainders: 2 + 2 + 4
    case .bfloat16All, .allStochastic: 2 + 2 + 2
    }
  }

  /// Bytes that a step with a norm to measure moves for each parameter: the gradient twice, velocity and parameter there and
  /// back; the copy is only written.
  var bytesMoved: Int { 2 * bytesKept - (self == .bfloat16Copy ? 2 : 0) }

  var velocityType: ElementType { hasHalfVelocity ? .bfloat16 : .float32 }

  var limit: momentum_limit_storage {
    switch self {
    case .bfloat16Gradients: MOMENTUM_LIMIT_BFLOAT16_GRADIENT
    case .float16Gradients: MOMENTUM_LIMIT_FLOAT16_GRADIENT
    case .bfloat16Copy: MOMENTUM_LIMIT_COPY
    case .remainders: MOMENTUM_LIMIT_REMAINDER
    case .nearest: MOMENTUM_LIMIT_NEAREST
    case .stochastic: MOMENTUM_LIMIT_STOCHASTIC
    case .bfloat16Velocity: MOMENTUM_LIMIT_VELOCITY
    case .bfloat16All: MOMENTUM_LIMIT_ALL
    case .velocityRemainders: MOMENTUM_LIMIT_VELOCITY_REMAINDER
    case .allStochastic: MOMENTUM_LIMIT_ALL_STOCHASTIC
    }
  }
}

/// The seed of the rows that round at random.
let benchRoundingSeed: UInt64 = 1

/// The key of a tensor's random numbers, by its definition: what the engine computes is compared with it.
func benchRoundingKey(tensor name: String) -> UInt64 {
  func finalized(_ x: UInt64) -> UInt64 {
    var x = x
    x = (x ^ x >> 30) &* 0xbf58_476d_1ce4_e5b9
    x = (x ^ x >> 27) &* 0x94d0_49bb_1331_11eb
    return x ^ x >> 31
  }
  let digest = name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  return finalized(benchRoundingSeed &+ 0x9e37_79b9_7f4a_7c15) ^ finalized(digest)
}
