import CMomentumLimit
import Momentum

/// A step's rule and clip with numbers.
struct StepSettings {
  let rule: SGD
  let clip: BenchOperation.Clip
  let onePass: Bool
  let reportsNorms: Bool
  /// Half the norm of the whole, or of the shortest tensor: every step clips everything that it looks at. In one pass,
  /// which is for gradients that are seldom clipped, twice the norm.
  let threshold: Double
  let bounds = -0.5...0.5

  init<Scalar>(_ operation: BenchOperation, _ memory: BenchMemory<Scalar>) throws {
    self.init(operation, rule: try operation.rule, squares: memory.squares)
  }

  /// - Parameter squares: The sum of squares of each tensor's gradients.
  init(_ operation: BenchOperation, rule: SGD, squares: [Double]) {
    self.rule = rule
    (clip, onePass, reportsNorms) = (operation.clip, operation.onePass, operation.reportsNorms)
    threshold = (clip == .tensor ? squares.min() ?? 0 : squares.reduce(0, +)).squareRoot() * (onePass ? 2 : 0.5)
  }

  var clipping: GradientClipping {
    get throws {
      switch clip {
      case .global: try .byGlobalNorm(threshold)
      case .tensor: try .byNorm(threshold)
      case .value: try GradientClipping(value: bounds)
      case .none: .none
      }
    }
  }

  /// Whether a pass over the gradients comes before the update.
  var measures: Bool { clip != .none && !onePass && (clip != .value || reportsNorms) }

  /// The coefficient that a norm, of the whole or of a tensor, gives its gradients.
  func coefficient(squares: Double) -> Double {
    switch clip {
    case .global, .tensor: min(1, threshold / squares.squareRoot())
    case .value, .none: 1
    }
  }

  /// The update for the hand-fused kernel.
  func limitUpdate(coefficient: Double) -> momentum_limit_update {
    momentum_limit_update(
      gradient_factor: coefficient, momentum: rule.momentum, learning_rate: rule.learningRate,
      decay: rule.weightDecay, lower: bounds.lowerBound, upper: bounds.upperBound,
      uses_velocity: rule.momentum > 0, nesterov: rule.nesterov, decays: rule.weightDecay > 0, clamps: clip == .value,
      sums: onePass)
  }

  /// Parameter `p` after steps with the gradient `g`, from a velocity of 0, in Double; and the distance it went.
  func reference(_ p: Double, _ g: Double, coefficient: Double, steps: Int) -> (parameter: Double, distance: Double) {
    var (p, v, distance) = (p, 0.0, 0.0)
    let clamped = clip == .value ? min(max(g, bounds.lowerBound), bounds.upperBound) : g
    for _ in 0..<steps {
      let entering = coefficient * clamped + rule.weightDecay * p
      v = rule.momentum * v + entering
      let moved = rule.momentum == 0 ? entering : rule.nesterov ? entering + rule.momentum * v : v
      p -= rule.learningRate * moved
      distance += rule.learningRate * (abs(coefficient * clamped) + abs(rule.weightDecay * p) + abs(rule.momentum * v))
    }
    return (p, distance)
  }
}
