/// The measurements of one step, and its effect.
@dynamicMemberLookup
public struct StepReport: Sendable, Hashable, Codable {
  /// The number of steps that the optimizer has taken, including this one unless it was skipped.
  public let step: Int
  /// The norms, the coefficient and the counts.
  public internal(set) var clip: ClipReport
  /// The divisor of the gradients: the ``Optimizer/lossScale`` of this step.
  public let lossScale: Double
  /// The number of parameters in half precision that the step would have changed and that, rounded to nearest, kept their
  /// bits. While it is the number of all, training has come to a halt.
  public internal(set) var lostUpdates = 0

  /// The properties of ``clip``.
  public subscript<Value>(dynamicMember member: KeyPath<ClipReport, Value>) -> Value { clip[keyPath: member] }
}
