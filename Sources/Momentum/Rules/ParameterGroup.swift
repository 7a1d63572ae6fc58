/// Tensors that are updated by a rule of their own, or clipped by limits of their own.
///
/// ```swift
/// let biases = ParameterGroup("biases", ["*.bias"], rule: try SGD(learningRate: 0.2))
/// var optimizer = try Optimizer<Float>(
///   layout, rule: SGD(learningRate: 0.1, weightDecay: 1e-4), groups: [biases], clipping: .byGlobalNorm(1))
/// ```
///
/// A tensor belongs to the first group one of whose patterns matches its name, and to no group otherwise: then the rule and
/// the clipping of the ``Optimizer`` hold.
public struct ParameterGroup: Sendable {
  /// What errors call the group.
  public var name: String
  /// Patterns over tensor names as in a shell: `*` stands for any characters, dots and slashes included, `?` for one, `[abc]` for one
  /// of a few.
  public var patterns: [String]
  /// The update rule, of the same convention as the optimizer's; `nil` for the optimizer's own.
  public var rule: (any UpdateRule)?
  /// The clips, `nil` for the optimizer's own.
  ///
  /// ``GradientClipping/value`` and ``GradientClipping/norm`` take the place of the optimizer's; ``GradientClipping/globalNorm`` limits the norm of the
  /// group's tensors together. What the optimizer limits as a whole comes after that and holds for all tensors.
  public var clipping: GradientClipping?

  /// Describes a group.
  ///
  /// - Parameters:
  ///   - name: What errors call it.
  ///   - patterns: Which tensors, by name.
  ///   - rule: The update rule.
  ///   - clipping: The clips.
  public init(
    _ name: String, _ patterns: [String], rule: (any UpdateRule)? = nil, clipping: GradientClipping? = nil
  ) {
    self.name = name
    self.patterns = patterns
    self.rule = rule
    self.clipping = clipping
  }

  /// Whether a tensor of this name is meant.
  func matches(_ tensor: String) -> Bool { patterns.contains { Platform.matches(tensor, pattern: $0) } }
}

extension ParameterGroup {
  /// For each tensor the position of its group, or `nil`.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a group without a tensor: probably a misspelled pattern.
  static func membership(
    _ groups: [ParameterGroup], of layout: ParameterLayout
  ) throws(MomentumError) -> [Int?] {
    let membership = layout.tensors.map { tensor in groups.firstIndex { $0.matches(tensor.name) } }
    for (position, group) in groups.enumerated() where !membership.contains(position) {
      throw .invalidSetting(
        name: "group '\(group.name)'", value: "\(group.patterns)",
        expected: "patterns of which one matches the name of a tensor that is in no earlier group")
    }
    return membership
  }

  /// Checks that the group fits the optimizer that it is part of.
  ///
  /// - Parameter measure: The first clipping that limits a norm, and where it stands.
  func validate(
    _ rule: any UpdateRule, _ convention: Convention, _ measure: inout (clipping: GradientClipping, place: String)?
  ) throws(MomentumError) {
    guard rule.convention == convention else {
      throw .invalidSetting(
        name: "convention", of: .group(name), value: rule.convention.rawValue,
        expected: "\(convention.rawValue), as of the optimizer's rule")
    }
    guard let clipping else { return }
    try clipping.validate(convention)
    if let target = clipping.targetNorm {
      throw .invalidSetting(
        name: "target norm", of: .group(name), value: target, expected: .words("none but the whole's"))
    }
    guard clipping.limitsNorm else { return }
    guard let first = measure else { return measure = (clipping, "group '\(name)'") }
    guard clipping.measuresAs(first.clipping) else {
      func measure(_ clipping: GradientClipping) -> String {
        "\(clipping.normType.order) (\(clipping.algorithm.rawValue))"
      }
      throw .invalidSetting(
        name: "norm type", of: .group(name), value: measure(clipping),
        expected: "\(measure(first.clipping)), as in \(first.place)")
    }
  }
}
