/// The measurements of one step, and its effect.
///
/// Its size is a multiple of 16 bytes: a copy then reads what the copy before it has written in the same pieces, which a
/// processor need not wait for. An optional number at the end would make a piece of another size.
@dynamicMemberLookup
public struct StepReport: Sendable, Hashable, Codable {
  /// The number of steps that the optimizer has taken, including this one unless it was skipped.
  public let step: Int
  /// The norms, the coefficient and the counts.
  public internal(set) var clip: ClipReport
  /// The divisor of the gradients: the ``Optimizer/lossScale`` of this step.
  public let lossScale: Double
  /// The learning rate of this step, of the optimizer's own rule; `nil` if it has none. ``Optimizer/groupReports()`` has
  /// those of groups.
  public let learningRate: Double?
  /// The momentum of this step, likewise.
  public let momentum: Double?
  /// The number of parameters in half precision that the step would have changed and that, rounded to nearest, kept their
  /// bits. While it is the number of all, training has come to a halt. Of several owners those of this one, as
  /// ``ClipReport/overflowedElements``.
  public internal(set) var lostUpdates = 0

  /// The properties of ``clip``.
  public subscript<Value>(dynamicMember member: KeyPath<ClipReport, Value>) -> Value { clip[keyPath: member] }
}

extension StepReport: CustomStringConvertible {
  /// One line, for example `step 12: norm 50.0, clipped by 0.5, learning rate 0.1, momentum 0.9`.
  public var description: String {
    var text = "step \(step): \(clip)"
    if let learningRate { text += ", learning rate \(learningRate)" }
    if let momentum { text += ", momentum \(momentum)" }
    if lossScale != 1 { text += ", loss scale \(lossScale)" }
    if lostUpdates > 0 { text += ", \(lostUpdates) updates lost to rounding" }
    return text
  }
}
