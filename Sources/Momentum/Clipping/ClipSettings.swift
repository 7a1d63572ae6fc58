/// The settings of a ``ClipStage``, and the facts derived from them that every step needs.
struct ClipSettings {
  /// The clipping of the optimizer: of all tensors together, and of tensors without a group's clipping.
  let clipping: GradientClipping
  /// The clipping of each group of tensors, `nil` if that of the optimizer applies.
  let groups: [GradientClipping?]
  /// The groups that the limit of all tensors together leaves out.
  let exempt: Set<Int>
  let convention: Convention
  let policy: NonFinitePolicy
  /// The norm that is measured: that of the optimizer's clipping, unless only groups clip.
  let normType: NormType
  let algorithm: NormAlgorithm
  /// The limit of the norm of all tensors together, or the target that this norm is brought to.
  let globalNorm, targetNorm: Double?
  /// Whether a limit depends on the norms of past steps.
  let adapts: Bool
  /// Whether a step has to measure the gradient.
  let asksForNorm: Bool
  /// Whether it then finds the norm after all other clips, for a limit or a report; clipping by value is measured for it.
  let comparesNorm: Bool
  /// Whether nothing but the report depends on what clipping by value leaves of the 2-norm, which BLAS's sums then measure.
  let clampsForReportOnly: Bool
  /// Whether tensors are clipped by value, by norm limits of their own, or by those of their units.
  let clipsValues: Bool
  let limitsTensors: Bool
  let limitsUnits: Bool
  /// The limits of the tensors in no group, then those of the groups.
  private let limits: [TensorLimits]

  /// - Parameter measuresPortably: Whether squares are summed as ``NormAlgorithm/portable`` says, whatever clippings say: where
  ///   other tensors of the model are in half precision, or these were.
  init(
    _ clipping: GradientClipping, groups: [GradientClipping?] = [], exempt: Set<Int> = [], convention: Convention,
    policy: NonFinitePolicy, adapts: Bool = false, reportsNorms: Bool = true, measuresPortably: Bool = false
  ) {
    self.exempt = exempt
    (self.clipping, self.groups, self.convention, self.policy) = (clipping, groups, convention, policy)
    self.adapts = adapts
    // Without an array of all: a call that clips a short vector in place makes its settings anew.
    func any(_ holds: (GradientClipping) -> Bool) -> Bool {
      holds(clipping) || groups.contains { $0.map(holds) ?? false }
    }
    let measuring =
      clipping.isEmpty ? groups.lazy.compactMap { $0 }.first { $0.limitsNorm } ?? clipping : clipping
    (normType, algorithm) = (measuring.normType, measuresPortably ? .portable : measuring.algorithm)
    (globalNorm, targetNorm) = (clipping.globalNorm, clipping.targetNorm)
    let limitsNorm = adapts || any { $0.limitsNorm }
    comparesNorm = limitsNorm || reportsNorms
    asksForNorm = limitsNorm || policy != .propagate || (reportsNorms && any { !$0.isEmpty })
    clipsValues = any { $0.value != nil }
    clampsForReportOnly =
      clipsValues && reportsNorms && !limitsNorm && normType == .l2 && algorithm == .blas && policy != .zero
    limitsTensors = any { $0.tensor != nil }
    limitsUnits = any { $0.unitLimit != nil }
    var limits = [TensorLimits(clipping)]
    for group in groups { limits.append(TensorLimits(group ?? clipping)) }
    self.limits = limits
  }

  /// The limits of a single tensor, as plain numbers: every step needs those of every tensor, and copying whole
  /// clippings would take longer than clipping a short tensor.
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

  /// Whether the limit of all tensors together holds for those in a group; -1 stands for no group.
  func isLimited(group: Int) -> Bool { exempt.isEmpty || !exempt.contains(group) }

  /// The limits of the tensors in a group; -1 stands for no group.
  func limits(ofGroup group: Int) -> TensorLimits { limits[group + 1] }

  /// The clipping of the tensors in a group; -1 stands for no group.
  func clipping(ofGroup group: Int) -> GradientClipping { group < 0 ? clipping : groups[group] ?? clipping }
}
