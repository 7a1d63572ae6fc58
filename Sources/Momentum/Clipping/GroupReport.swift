/// What happened to the tensors of one ``ParameterGroup`` in a step.
public struct GroupReport: Sendable, Hashable, Codable {
  /// The group's name; `nil` for the tensors that are in no group.
  public let name: String?
  /// The number of its tensors.
  public let tensorCount: Int
  /// The norm of its tensors together before any clipping, `nil` if not measured.
  public let norm: Double?
  /// The coefficient of the group's own limit, ``GradientClipping/whole`` of ``ParameterGroup/clipping``; 1 without one.
  /// Limits of tensors come before it, and ``ClipReport/clipCoefficient`` after it.
  public let clipCoefficient: Double
  /// The learning rate of its rule in this step, ``ParameterGroup/learningRateFactor`` included; `nil` if that has none.
  public let learningRate: Double?
  /// The momentum of its rule in this step, likewise.
  public let momentum: Double?
}

extension GroupReport: CustomStringConvertible {
  /// One line, for example `group 'biases', 2 tensors: norm 4.0, clipped by 0.25, learning rate 0.2, momentum 0.9`.
  public var description: String {
    let owner = name.map { "group '\($0)'" } ?? "no group"
    var parts = [
      norm.map { "norm \($0)" } ?? "norm not measured", ClipReport.words(clipCoefficient != 1, clipCoefficient),
    ]
    if let learningRate { parts.append("learning rate \(learningRate)") }
    if let momentum { parts.append("momentum \(momentum)") }
    return "\(owner), \(tensorCount) \(tensorCount == 1 ? "tensor" : "tensors"): \(parts.joined(separator: ", "))"
  }
}
