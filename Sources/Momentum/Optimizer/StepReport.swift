/// What one step measured and did.
@dynamicMemberLookup
public struct StepReport: Sendable, Hashable, Codable {
  /// How many steps the optimizer has taken, this one included unless it was skipped.
  public let step: Int
  /// The norms, the coefficient and the counts.
  public let clip: ClipReport
  /// What the gradients were divided by: the ``Optimizer/lossScale`` of this step.
  public let lossScale: Double

  /// The properties of ``clip``.
  public subscript<Value>(dynamicMember member: KeyPath<ClipReport, Value>) -> Value { clip[keyPath: member] }
}
