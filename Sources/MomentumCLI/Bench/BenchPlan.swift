import Momentum

/// The subject of a benchmark: one operation with its settings, apart from size, element type and threads.
struct BenchOperation: Hashable, Sendable {
  enum Kind: Hashable, Sendable { case norm, clip, step }

  /// How gradients are clipped. Thresholds are chosen such that every step clips.
  enum Clip: String, CaseIterable, Sendable { case global, tensor, value, none }

  var kind: Kind
  var clip = Clip.none
  var momentum = 0.0
  var nesterov = false
  var weightDecay = 0.0
  /// Sums and updates in one pass, which nothing is clipped in.
  var onePass = false
  /// Whether norms are measured that no limit needs, for the report.
  var reportsNorms = true
  /// Whether a step is one of AdamW instead of momentum; it does not clip.
  var isAdamW = false
  /// What a step of `Float`s keeps in half precision; `nil` for nothing.
  var storage: StepStorage?

  static let norm = BenchOperation(kind: .norm)
  static let clipInPlace = BenchOperation(kind: .clip, clip: .global)

  var name: String {
    switch kind {
    case .norm: return "norm"
    case .clip: return "clip in place (global norm)"
    case .step: break
    }
    if let storage { return "step (\(storage.name))" }
    if isAdamW { return "step (no clip, AdamW)" }
    let clipping =
      switch clip {
      case .global: "global norm"
      case .tensor: "norm of each tensor"
      case .value: "value"
      case .none: "no clip"
      }
    let rule = momentum == 0 ? "momentum 0" : "\(nesterov ? "nesterov" : "momentum") \(momentum)"
    var name = "step (\(clipping), \(rule)"
    if weightDecay > 0 { name += ", decay \(weightDecay)" }
    if onePass { name += ", one pass" }
    if !reportsNorms { name += ", no report" }
    return name + ")"
  }

  var rule: SGD {
    get throws(MomentumError) {
      try SGD(learningRate: 0.01, momentum: momentum, weightDecay: weightDecay, nesterov: nesterov)
    }
  }

  /// Whether it can be measured with vectors of a type.
  func exists(for scalar: BenchRun.Element) -> Bool { storage == nil || scalar == .float }

  /// The memory that a row's vectors take: gradient, parameters, the engine's velocity and that of its competitors, with
  /// AdamW two of each; with half precision also the velocity of the step of `Float`s, gradients and parameters.
  func bytesPerElement(_ scalar: BenchRun.Element) -> Int {
    guard let storage else { return (isAdamW ? 6 : 4) * scalar.byteCount }
    // Parameters of Float are those of the step of Floats; the limit has a velocity of its own type.
    return 4 * 4 + storage.bytesKept - (storage.hasWideParameters ? 4 : 0) + (storage.hasHalfVelocity ? 2 : 0)
  }

  /// Every step in half precision: clipped by global norm, momentum 0.9.
  static let half = StepStorage.available.map {
    BenchOperation(kind: .step, clip: .global, momentum: 0.9, storage: $0)
  }

  /// Every kind of row, for `--rows all`.
  static let all: [BenchOperation] =
    [.norm, .clipInPlace]
    + Clip.allCases.map { BenchOperation(kind: .step, clip: $0, momentum: 0.9) } + [
      BenchOperation(kind: .step, clip: .value, momentum: 0.9, reportsNorms: false),
      BenchOperation(kind: .step, clip: .global, momentum: 0.9, onePass: true),
      BenchOperation(kind: .step),
      BenchOperation(kind: .step, momentum: 0.9, nesterov: true),
      BenchOperation(kind: .step, momentum: 0.9, weightDecay: 1e-4),
      BenchOperation(kind: .step, clip: .global, momentum: 0.9, nesterov: true, weightDecay: 1e-4),
      BenchOperation(kind: .step, momentum: 0.9, weightDecay: 0.01, isAdamW: true),
    ] + half
}

/// The tensors that an operation works on.
enum BenchSize: Hashable, Sendable {
  case count(Int)
  case model(ModelTensors)

  func layout() throws(MomentumError) -> ParameterLayout {
    switch self {
    case .count(let count): try ParameterLayout(count: count)
    case .model(let model): try ParameterLayout(model.tensors)
    }
  }

  var name: String {
    switch self {
    case .count: "vector"
    case .model(let model): model.rawValue
    }
  }
}
