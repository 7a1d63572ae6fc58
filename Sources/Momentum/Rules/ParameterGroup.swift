/// Tensors that have an update rule of their own, or limits of their own.
///
/// ```swift
/// let biases = ParameterGroup("biases", ["*.bias"], rule: try SGD(learningRate: 0.2))
/// var optimizer = try Optimizer<Float>(
///   layout, rule: SGD(learningRate: 0.1, weightDecay: 1e-4), groups: [biases], clipping: .byGlobalNorm(1))
/// ```
///
/// A tensor belongs to the first group that has a pattern matching its name. If there is none, the rule and the
/// clipping of the ``Optimizer`` hold.
public struct ParameterGroup: Sendable {
  /// The group's name in errors.
  public var name: String
  /// Patterns of tensor names as in a shell: `*` stands for any characters, dots and slashes included, `?` for one
  /// character, `[abc]` for one of the characters listed, `[!abc]` for one that is not, and `\\` takes the next
  /// character as it is. A pattern that begins with `!` leaves out what the rest of it matches: `["layer1.*",
  /// "!*.bias"]`; with such patterns alone, all other tensors belong to the group.
  public var patterns: [String]
  /// The update rule, of the same convention as the optimizer's; `nil` for the optimizer's own.
  public var rule: (any UpdateRule)?
  /// The clips, `nil` for the optimizer's own.
  ///
  /// ``GradientClipping/value`` and ``GradientClipping/tensor`` replace those of the optimizer;
  /// ``GradientClipping/whole`` limits the norm of the group's tensors together. The optimizer's limit of all tensors
  /// together comes after that and holds for all tensors.
  public var clipping: GradientClipping?
  /// The factor of the learning rate, of the optimizer's rule or the group's own: one schedule for all tensors, a
  /// multiple of it for these. Finite, at least 0; 0 freezes the tensors, but for their velocity.
  public var learningRateFactor: Double
  /// Whether the optimizer's limit of all tensors together leaves the group out: its tensors neither count for the norm
  /// that is compared (``ClipReport/comparedNorm``) nor are they clipped by it. For rules whose steps do not depend on
  /// the size of a gradient, such as ``Lion``. The group's own limits hold, and its norm is measured all the same
  /// (``GroupReport/norm``, ``ClipReport/totalNorm``).
  public var exemptFromWhole: Bool
  /// Whether the group may have no tensor, because other owners have its tensors (see ``NormExchange``).
  public var mayBeEmpty: Bool

  /// Describes a group.
  ///
  /// - Parameters:
  ///   - name: The group's name in errors.
  ///   - patterns: Patterns of the names of the group's tensors.
  ///   - rule: The update rule.
  ///   - clipping: The clips.
  ///   - learningRateFactor: The factor of the learning rate.
  ///   - exemptFromWhole: Whether the optimizer's limit of all tensors together leaves the group out.
  ///   - mayBeEmpty: Whether the group may have no tensor, because other owners have its tensors. Otherwise a group
  ///     without one is refused: its pattern is probably misspelled.
  public init(
    _ name: String, _ patterns: [String], rule: (any UpdateRule)? = nil, clipping: GradientClipping? = nil,
    learningRateFactor: Double = 1, exemptFromWhole: Bool = false, mayBeEmpty: Bool = false
  ) {
    self.name = name
    self.patterns = patterns
    self.rule = rule
    self.clipping = clipping
    self.learningRateFactor = learningRateFactor
    self.exemptFromWhole = exemptFromWhole
    self.mayBeEmpty = mayBeEmpty
  }
}

extension ParameterGroup {
  /// The positions of the groups that the limit of all tensors together leaves out.
  static func exempt(_ groups: [ParameterGroup]) -> Set<Int> {
    Set(groups.indices.filter { groups[$0].exemptFromWhole })
  }

  /// The rule of the group's tensors in one step.
  ///
  /// - Parameter rule: The optimizer's rule, or the group's own.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for a factor that is negative or not finite, and for one of a rule
  ///   without a learning rate.
  func scaled(_ rule: any UpdateRule) throws(MomentumError) -> any UpdateRule {
    guard learningRateFactor != 1 else { return rule }
    guard learningRateFactor >= 0, learningRateFactor.isFinite else {
      throw .invalidSetting(
        name: "learningRateFactor", of: .group(name), value: learningRateFactor, expected: .finiteAtLeast(0))
    }
    guard let scaled = rule.scalingLearningRate(by: learningRateFactor) else {
      throw .invalidSetting(
        name: "learningRateFactor", of: .group(name), value: learningRateFactor,
        expected: .words("1 for \(type(of: rule)), a rule without a learning rate"))
    }
    return scaled
  }

  /// Checks that the group fits the optimizer that it is part of.
  ///
  /// - Parameter measure: The first clipping that limits a norm, and its owner.
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
