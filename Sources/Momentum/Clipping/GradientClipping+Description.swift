extension GradientClipping: CustomStringConvertible {
  /// The clips in their order, for example `values to -5.0...5.0, whole to norm 1.0`.
  public var description: String {
    var parts: [String] = []
    if let value { parts.append("values to \(value.lowerBound)...\(value.upperBound)") }
    switch tensor {
    case .norm(let limit): parts.append("each tensor to \(norm) \(limit)")
    case .unitNorm(let limit, let units): parts.append("each unit (\(units)) to \(norm) \(limit)")
    case .rootMeanSquare(let limit): parts.append("each tensor to root mean square \(limit)")
    case nil: break
    }
    switch whole {
    case .norm(.infinity): parts.append("whole measured by its \(norm)")
    case .norm(let limit): parts.append("whole to \(norm) \(limit)")
    case .target(let target): parts.append("whole scaled to \(norm) \(target)")
    case nil: break
    }
    return parts.isEmpty ? "none" : parts.joined(separator: ", ")
  }

  private var norm: String {
    if normType == .l2 { return "norm" }
    return "\(Int(exactly: normType.order).map { "\($0)" } ?? "\(normType.order)")-norm"
  }
}
