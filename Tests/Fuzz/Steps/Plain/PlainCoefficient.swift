import Momentum

/// The clip coefficients as the article Conventions has them.
enum PlainCoefficient {
  /// Of a norm of a limit; `isWhole` for the norm of all tensors together, or of a group.
  static func limit<Wide: WideNumber>(_ convention: Convention, _ n: Wide, _ limit: Double, isWhole: Bool) -> Wide {
    let c = Wide(limit)
    if limit == .infinity || n == 0 { return 1 }
    if n.isNaN { return convention == .keras && limit == 0 ? 1 : .nan }
    // Optax and MLX have no clip of single tensors; there the native rule holds.
    switch !isWhole && (convention == .optax || convention == .mlx) ? .native : convention {
    case .native:
      if n.isInfinite { return .nan }
      return n <= c ? 1 : c / n
    case .pytorch: return min(1, c / (n + 1e-6))
    case .keras:
      if c == 0 { return 1 }
      if !isWhole { return c / max(n, c) }
      return n.isInfinite ? .nan : c * min(1 / n, 1 / c)
    case .optax: return n < c ? 1 : c / n
    case .mlx: return n < c ? 1 : c / (n + 1e-6)
    }
  }

  /// Of a norm that is brought to a target.
  static func target<Wide: WideNumber>(_ convention: Convention, _ n: Wide, _ target: Double) -> Wide {
    if n == 0 { return 1 }
    if convention == .optax { return Wide(target) / (n + 1e-6) }
    return n.isInfinite ? .nan : Wide(target) / n
  }

  /// Of a root mean square.
  static func rootMeanSquare<Wide: WideNumber>(_ convention: Convention, _ r: Wide, _ limit: Double) -> Wide {
    if limit == .infinity || r == 0 { return 1 }
    if r.isNaN { return .nan }
    if r.isInfinite { return convention == .optax ? 0 : .nan }
    return min(1, Wide(limit) / r)
  }

  /// Of adaptive gradient clipping: the norm of a unit of the gradient, and its limit.
  static func adaptive<Wide: WideNumber>(_ convention: Convention, _ n: Wide, _ limit: Wide) -> Wide {
    if limit.isNaN || n.isNaN { return .nan }
    if convention == .optax { return n < limit ? 1 : limit / max(n, 1e-6) }
    if n <= limit { return 1 }
    return n.isInfinite ? .nan : limit / n
  }

  /// Of normalised momentum: 1 / ‖g‖ for a norm with its bounds. A norm that may be 0 gives 1 there, and next to it any
  /// number.
  static func normalizing<Wide: WideNumber>(_ n: Interval<Wide>) -> Interval<Wide> {
    if n.high == 0 { return .one }
    if n.isNaN || n.low.isInfinite { return Interval(.nan) }
    return Interval(min(1, 1 / n.high), n.low == 0 ? .infinity : 1 / n.low)
  }

  /// Of LARS: r for the norms of the parameters and of the gradient, and the denominator without ε.
  static func trust<Wide: WideNumber>(_ rule: RuleSpec, _ p: Wide, _ g: Wide, _ denominator: Wide) -> Wide {
    if p == 0 || g == 0 { return 1 }
    return Wide(rule.trust) * p / (denominator + Wide(rule.epsilon))
  }
}
