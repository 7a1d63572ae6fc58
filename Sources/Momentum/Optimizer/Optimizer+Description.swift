extension Optimizer {
  /// The optimizer in a few lines, for `print(optimizer.description)`: its tensors, its rules and clips, its state.
  ///
  ///     Optimizer<Float>, 6 parameters in 2 tensors, step 12
  ///     rule: SGD, learning rate 0.5, momentum 0.9
  ///     group 'biases' (1 tensor): learning rate times 2.0
  ///     clipping: whole to norm 25.0
  ///     non-finite gradients: throw
  ///
  /// Settings that are off are left out.
  public var description: String {
    let tensors = layout.tensors.count
    var lines = [
      "Optimizer<\(Scalar.self)>, \(layout.count) \(layout.count == 1 ? "parameter" : "parameters") in \(Self.count(tensors)), step \(stepCount)"
    ]
    lines.append("rule: \(rule)")
    let membership = try? ParameterGroup.membership(groups, of: layout)
    for (position, group) in groups.enumerated() {
      let size = membership.map { " (\(Self.count($0.count { $0 == position })))" } ?? ""
      var parts: [String] = []
      if let rule = group.rule { parts.append("\(rule)") }
      if group.learningRateFactor != 1 { parts.append("learning rate times \(group.learningRateFactor)") }
      if group.exemptFromWhole { parts.append("exempt from the limit of all tensors") }
      if let clipping = group.clipping { parts.append("clipping: \(clipping)") }
      lines.append("group '\(group.name)'\(size): \(parts.isEmpty ? "as all others" : parts.joined(separator: "; "))")
    }
    lines.append("clipping: \(clipping)")
    lines.append("non-finite gradients: \(Self.effectivePolicy(nonFinitePolicy, lossScale).rawValue)")
    if velocityType != Scalar.elementType { lines.append("velocity: \(velocityType.rawValue)") }
    if mode != .twoPass { lines.append("mode: \(mode.rawValue)") }
    switch averaging?.kind {
    case .exponential(let decay): lines.append("averaging: exponential, decay \(decay)")
    case .mean: lines.append("averaging: mean")
    case nil: break
    }
    switch adaptiveLimit {
    case .autoClip: lines.append("adaptive limit: AutoClip")
    case .zClip: lines.append("adaptive limit: ZClip")
    case .spikeSkipping: lines.append("adaptive limit: SpikeSkipping")
    case nil: break
    }
    if lossScale != .none {
      lines.append("loss scale: \(lossScale.current)\(lossScale.growth == nil ? "" : ", dynamic")")
    }
    return lines.joined(separator: "\n")
  }

  private static func count(_ tensors: Int) -> String { "\(tensors) \(tensors == 1 ? "tensor" : "tensors")" }
}
