public import Momentum

/// What the sweeps draw from.
public enum StepOptions {
  /// Every valid combination of the options of the rule.
  public static let rules: [SGD] = {
    var rules: [SGD] = []
    for convention in Convention.allCases {
      for momentum in [0, 0.5, 0.9, 1, 1.1] {
        for (dampening, nesterov) in [(0, false), (0.3, false), (0, true), (1, false)] {
          for (weightDecay, decoupled) in [(0, false), (0.1, false), (0.1, true)] {
            for maximize in [false, true] {
              let rule = try? SGD(
                learningRate: 0.05, momentum: momentum, dampening: dampening, weightDecay: weightDecay,
                decoupledWeightDecay: decoupled, nesterov: nesterov, maximize: maximize, convention: convention)
              if let rule { rules.append(rule) }
            }
          }
        }
      }
    }
    return rules
  }()

  /// Every kind of clip and combination of kinds, with every type of norm, at limits that act and at some that do not.
  public static let clippings: [GradientClipping] = {
    var clippings: [GradientClipping] = [.none]
    for value: ClosedRange<Double>? in [nil, -0.5...0.5, -0.25 ... .infinity] {
      for norm: Double? in [nil, 0.7, 100] {
        for globalNorm: Double? in [nil, 1.1, 1000, .infinity] {
          for type in [NormType.l2, .l1, .infinity, .p(3), .p(2.5)] {
            for algorithm in NormAlgorithm.allCases {
              let clipping = try? GradientClipping(
                value: value, tensor: norm.map { .norm($0) }, whole: globalNorm.map { .norm($0) }, normType: type,
                algorithm: algorithm)
              if let clipping { clippings.append(clipping) }
            }
          }
        }
      }
    }
    return clippings
  }()
}

extension GradientClipping {
  /// Throws if a convention refuses this combination.
  public func check(_ convention: Convention) throws {
    let layout = try ParameterLayout(count: 0)
    _ = try Optimizer<Float>(layout, rule: SGD(learningRate: 1, convention: convention), clipping: self)
  }
}
