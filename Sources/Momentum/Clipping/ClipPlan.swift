/// The settings of clipping, with what follows from them: made when they change, and shared by the steps until then.
///
/// A class, because a step hands it on a dozen times, and a copy of all settings would cost more than a short vector.
final class ClipPlan: Sendable {
  /// The clips of the whole.
  let clipping: GradientClipping
  /// The clips of each group of tensors, `nil` where those of the whole hold.
  let groups: [GradientClipping?]
  let convention: Convention
  let policy: NonFinitePolicy
  /// How norms are measured: as the clipping of the whole says, unless only groups clip.
  let normType: NormType
  let algorithm: NormAlgorithm
  /// Whether a clip asks for something to be known of the gradient, or the policy does.
  let asksForNorm: Bool
  /// Whether tensors are clipped by value, by limits of their own, or by those of their units.
  let clipsValues: Bool
  let limitsTensors: Bool
  let limitsUnits: Bool

  init(
    _ clipping: GradientClipping, groups: [GradientClipping?] = [], convention: Convention, policy: NonFinitePolicy
  ) {
    (self.clipping, self.groups, self.convention, self.policy) = (clipping, groups, convention, policy)
    let all = [clipping] + groups.compactMap { $0 }
    let measuring = clipping.isEmpty ? all.first { $0.limitsNorm } ?? clipping : clipping
    (normType, algorithm) = (measuring.normType.simplified, measuring.algorithm)
    asksForNorm = policy != .propagate || all.contains { !$0.isEmpty }
    clipsValues = all.contains { $0.value != nil }
    limitsTensors = all.contains { $0.norm != nil || $0.blockRMS != nil }
    limitsUnits = all.contains { $0.norm != nil && $0.normUnits != nil }
  }

  /// The clips of the tensors in a group, or in none: -1.
  func clipping(ofGroup group: Int) -> GradientClipping { group < 0 ? clipping : groups[group] ?? clipping }
}
