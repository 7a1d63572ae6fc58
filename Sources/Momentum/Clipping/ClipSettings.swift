/// The settings of a ``ClipStage``, and what follows from them for every step.
struct ClipSettings {
  /// The clips of the whole.
  let clipping: GradientClipping
  /// The clips of each group of tensors, `nil` where those of the whole hold.
  let groups: [GradientClipping?]
  let convention: Convention
  let policy: NonFinitePolicy
  /// How norms are measured: as the clipping of the whole says, unless only groups clip.
  let normType: NormType
  let algorithm: NormAlgorithm
  /// The limit of the norm of the whole, or what it is brought to.
  let globalNorm, targetNorm: Double?
  /// Whether a limit depends on past norms.
  let adapts: Bool
  /// Whether anything has to be known of the gradient.
  let asksForNorm: Bool
  /// Whether tensors are clipped by value, by limits of their own, or by those of their units.
  let clipsValues: Bool
  let limitsTensors: Bool
  let limitsUnits: Bool
  /// Those of the tensors in no group, then of the groups.
  private let limits: [TensorLimits]

  init(
    _ clipping: GradientClipping, groups: [GradientClipping?] = [], convention: Convention, policy: NonFinitePolicy,
    adapts: Bool = false
  ) {
    (self.clipping, self.groups, self.convention, self.policy) = (clipping, groups, convention, policy)
    self.adapts = adapts
    let all = groups.isEmpty ? [clipping] : [clipping] + groups.compactMap { $0 }
    let measuring = clipping.isEmpty ? all.first { $0.limitsNorm } ?? clipping : clipping
    (normType, algorithm) = (measuring.normType, measuring.algorithm)
    (globalNorm, targetNorm) = (clipping.globalNorm, clipping.targetNorm)
    asksForNorm = policy != .propagate || adapts || all.contains { !$0.isEmpty }
    clipsValues = all.contains { $0.value != nil }
    limitsTensors = all.contains { $0.tensor != nil }
    limitsUnits = all.contains { $0.unitLimit != nil }
    var limits = [TensorLimits(clipping)]
    for group in groups { limits.append(TensorLimits(group ?? clipping)) }
    self.limits = limits
  }

  /// What limits a tensor on its own. Plain numbers: every step asks for those of every tensor, and to copy all clips takes
  /// longer than to clip a short one.
  struct TensorLimits {
    let bounds: ValueBounds?
    let norm, rootMeanSquare: Double?

    init(_ clipping: GradientClipping) {
      bounds = clipping.bounds
      switch clipping.tensor {
      case .norm(let limit), .unitNorm(let limit, _): (norm, rootMeanSquare) = (limit, nil)
      case .rootMeanSquare(let limit): (norm, rootMeanSquare) = (nil, limit)
      case nil: (norm, rootMeanSquare) = (nil, nil)
      }
    }
  }

  /// The limits of the tensors in a group, or in none: -1.
  func limits(ofGroup group: Int) -> TensorLimits { limits[group + 1] }

  /// All clips of the tensors in a group, or in none: -1.
  func clipping(ofGroup group: Int) -> GradientClipping { group < 0 ? clipping : groups[group] ?? clipping }
}
