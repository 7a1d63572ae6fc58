/// The measurements of one step, and its effect.
@dynamicMemberLookup
public struct StepReport: Sendable, Hashable, Codable {
  /// The number of steps that the optimizer has taken, including this one unless it was skipped.
  public let step: Int
  /// The norms, the coefficient and the counts.
  public let clip: ClipReport
  /// The divisor of the gradients: the ``Optimizer/lossScale`` of this step.
  public let lossScale: Double

  /// The properties of ``clip``.
  public subscript<Value>(dynamicMember member: KeyPath<ClipReport, Value>) -> Value { clip[keyPath: member] }
}
