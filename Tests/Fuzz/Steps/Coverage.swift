/// How often scenarios met what they are drawn for.
struct Coverage: Sendable {
  private(set) var counts: [String: Int] = [:]

  mutating func note(_ feature: String, _ times: Int = 1) { counts[feature, default: 0] += times }

  mutating func merge(_ other: Coverage) { counts.merge(other.counts, uniquingKeysWith: +) }

  /// What every long run has to meet; a generator that has lost one tests less than it says.
  static let required =
    [
      "type Float", "type Double", "threads 1", "threads 2", "threads 3", "storage vector", "storage flat",
      "storage span", "storage list", "kernels auto", "kernels blas", "kernels fused", "an exchange",
      "tensors 1", "tensors 2-8", "tensors 9-40", "an empty tensor",
      "65536 elements or more", "rule SGD", "rule LARS", "rule Lion", "rule Signum", "rule normalised momentum",
      "rule AdamW", "rule Muon",
      "rule AGC", "rule scheduled", "nesterov", "dampening",
      "coupled decay", "decoupled decay", "maximize", "momentum 0", "momentum above 1", "groups", "rule of a group",
      "clip of a group", "clip value", "clip norm", "clip units", "clip block RMS", "clip global norm", "target norm",
      "limit 0", "measured only", "portable norm", "policy propagate", "policy throw", "policy skipStep", "policy zero",
      "one pass", "one pass, clipped", "fixed loss scale", "dynamic loss scale", "limit autoClip", "limit zClip",
      "limit spikeSkipping", "average mean", "average exponential", "average overwrites", "accumulated mean",
      "accumulated sum", "accumulated one against direct", "missing gradients", "gradient not finite", "clipped",
      "skipped", "values clipped", "norm beyond Double", "restored in memory", "state refused", "restored from a file",
      "folded",
      "velocity set", "velocity converted", "velocity bfloat16", "settings changed", "limit at the norm",
      "refused: count",
      "refused: overlap", "refused: empty accumulator", "refused: setting", "refused: not finite",
    ] + HalfStep.features + Conventions.names + NormTypes.names + ElementKind.allCases.map { "gradient \($0)" }

  /// After this many scenarios each of them must have been met.
  static let enough = 3000

  var missing: [String] { Self.required.filter { counts[$0, default: 0] == 0 } }
}
