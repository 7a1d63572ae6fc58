/// Momentum that is orthogonalised: each matrix of parameters moves along the orthogonal matrix that is nearest to its
/// momentum.
///
///     v ← m·v + g
///     O = orthogonalised (g + m·v)            without Nesterov: v
///     p ← p - lr·(k·O + wd·p)                 k = √max(1, rows / columns)
///
/// with the gradient g after clipping. All directions of a matrix get the same step, those too in which gradients are
/// small (Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, "Muon: An optimizer for hidden layers in neural
/// networks", 2024; Liu et al., "Muon is Scalable for LLM Training", arXiv:2502.16982). ``NewtonSchulz`` says how a
/// matrix is orthogonalised; ``Orthogonalization/polar`` does it by LAPACK.
///
/// ```swift
/// let others = ParameterGroup("others", ["*.bias", "embedding.*"], rule: try AdamW(learningRate: 1e-3))
/// var optimizer = try Optimizer<Float>(layout, rule: Muon(learningRate: 0.02), groups: [others])
/// ```
///
/// Every tensor of the rule needs two axes or more; the others, and embeddings, usually get ``AdamW``, in a group.
/// Because the step does not depend on the size of g, such a group of matrices may be left out of the limit of all
/// tensors (``ParameterGroup/exemptFromWhole``).
///
/// | convention | v | orthogonalised, with Nesterov | without | divisor of the matrix | k by default | wd by default |
/// |---|---|---|---|---|---|--:|
/// | native | m·v + g | g + m·v | v | norm | √max(1, R/C) | 0 |
/// | pytorch | m·v + (1 - m)·g | (1 - m)·g + m·v | v | max(norm, 1e-7) | √max(1, R/C) | 0.1 |
/// | keras | m·v + g | g + m·v | v | norm + 1e-7 | 0.2·√max(R, C) | 0.004 |
/// | optax | m·v + (1 - m)·g | m·v / (1 - mᵗ⁺¹) + (1 - m)·g / (1 - mᵗ) | v / (1 - mᵗ) | norm + 1e-8 | √max(1, C/R) | 0 |
/// | mlx | m·v + (1 - m)·g | (1 - m)·g + m·v | v | norm + 1e-7 | √max(1, R/C) | 0.01 |
///
/// R and C are the rows and columns of the matrix, under the mlx convention those of the last two axes of a tensor with
/// more than two; t is the number of the optimizer's step. Where a view names inputs and outputs
/// (``MatrixView/axes(inputs:outputs:)``), R counts the outputs and C the inputs under every convention, and under the
/// optax convention, too, k is √max(1, R/C). Decay is decoupled, but in MLX, where it is part of g.
/// PyTorch computes the products in bfloat16, MLX and Keras as this library does. What the others do with tensors of fewer
/// axes and with very small and large gradients: <doc:UpdateRules#Muon-beside-other-libraries>.
///
/// The update of a tensor is kept in memory of its own while it is transformed, that of the largest tensor or of 2²⁰
/// elements for all. A step reads gradient, velocity, parameters and update, and writes the last three: 7 elements for each
/// parameter, besides what ``NewtonSchulz`` does, which as a rule reads the update in the step's place. ``StepMode/onePass`` is refused.
public struct Muon: Sendable, Hashable {
  /// The factor k of the orthogonalised matrix.
  public enum Scale: Sendable, Hashable {
    /// `√max(1, rows / columns)`; under the optax convention, whose matrices are inputs by outputs unless the view names
    /// both, columns / rows.
    case fanRatio
    /// `rms·√max(rows, columns)`, with which elements of the step are as large as those of ``AdamW`` for 0.2.
    case matchingRMS(Double)
    /// `√(rows / columns)`; under the optax convention columns / rows, unless the view names inputs and outputs.
    case spectral
    /// 1.
    case none
  }

  /// lr: finite, at least 0.
  public var learningRate: Double
  /// m: finite, at least 0; below 1 under the optax convention.
  public var momentum: Double
  /// Whether to use Nesterov's look-ahead.
  public var nesterov: Bool
  /// wd: finite, at least 0.
  public var weightDecay: Double
  /// How matrices are orthogonalised.
  public var method: Orthogonalization
  /// How tensors are read as matrices.
  public var view: MatrixView
  /// The factor of the orthogonalised matrix.
  public var scale: Scale
  /// The convention to follow.
  public var convention: Convention

  /// Sets the hyper-parameters.
  ///
  /// - Parameters:
  ///   - learningRate: lr, finite, at least 0.
  ///   - momentum: m, finite, at least 0; below 1 under the optax convention.
  ///   - nesterov: Whether to use Nesterov's look-ahead.
  ///   - weightDecay: wd, finite, at least 0; by default as the convention has it.
  ///   - method: How matrices are orthogonalised; by default five steps with Jordan's factors, and the divisor of the
  ///     convention.
  ///   - view: How tensors are read as matrices.
  ///   - scale: The factor of the orthogonalised matrix; by default as the convention has it.
  ///   - convention: The convention to follow.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(
    learningRate: Double, momentum: Double = 0.95, nesterov: Bool = true, weightDecay: Double? = nil,
    method: Orthogonalization? = nil, view: MatrixView = .firstAxis, scale: Scale? = nil,
    convention: Convention = .native
  ) throws(MomentumError) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.nesterov = nesterov
    let decay =
      switch convention {
      case .native, .optax: 0.0
      case .pytorch: 0.1
      case .keras: 0.004
      case .mlx: 0.01
      }
    self.weightDecay = weightDecay ?? decay
    self.method = method ?? Self.method(of: convention)
    self.view = view
    self.scale = scale ?? (convention == .keras ? .matchingRMS(0.2) : .fanRatio)
    self.convention = convention
    try validate()
  }

  /// Five steps with Jordan's factors, and a convention's divisor.
  static func method(of convention: Convention) -> Orthogonalization {
    var method = NewtonSchulz.jordan(steps: 5)
    switch convention {
    case .native: break
    case .pytorch: (method.epsilon, method.epsilonUse) = (1e-7, .least)
    case .optax: method.epsilon = 1e-8
    case .keras, .mlx: method.epsilon = 1e-7
    }
    return .newtonSchulz(method)
  }
}

extension Muon: SchedulableRule {
  public var usesVelocity: Bool { true }
  public var keepsLearningRateInVelocity: Bool { false }
  public var gradientWeight: Double { convention.dampsMuon ? 1 - momentum : 1 }
  public var transform: MatrixTransform? { MatrixTransform(method, view: view) }

  public func following(_ convention: Convention) -> (any UpdateRule)? {
    var rule = self
    rule.convention = convention
    return rule
  }

  public func validate() throws(MomentumError) {
    try RuleSettings.checkAtLeast0("learningRate", learningRate)
    try RuleSettings.checkAtLeast0("momentum", momentum)
    try RuleSettings.checkAtLeast0("weightDecay", weightDecay)
    if convention == .optax, momentum >= 1 {
      throw .invalidSetting(name: "momentum", value: momentum, expected: .words("below 1 under the optax convention"))
    }
    if case .matchingRMS(let rms) = scale { try RuleSettings.checkAtLeast0("matchingRMS", rms) }
    if scale != .none, case .rowBlocks(let counts, _) = view, counts.contains(where: { $0 != counts[0] }) {
      throw .invalidSetting(
        name: "view", value: "row blocks \(counts)", expected: "blocks of as many rows each, or the scale none")
    }
    try method.validate()
  }

  public func compile(_ tensor: TensorState, into program: inout StepProgram) -> Double {
    let entering = gradientWeight
    let coupledDecay = convention == .mlx ? weightDecay : 0
    let scale = program.decayVelocity(of: tensor, by: momentum)
    let gradient = tensor.gradientFactor * entering
    program.append(.axpy(factor: gradient / ScaledDouble(scale), from: .gradient, into: .direction))
    if coupledDecay > 0 {
      program.append(
        .axpy(factor: ScaledDouble(coupledDecay * entering) / ScaledDouble(scale), from: .parameters, into: .direction))
    }
    appendUpdate(tensor, gradient, decay: coupledDecay * entering, velocityScale: scale, into: &program)
    program.append(.transform)
    if coupledDecay == 0 { program.decayParameters(by: learningRate * weightDecay) }
    let factor = -learningRate * factor(of: tensor.shape)
    program.append(.axpy(factor: ScaledDouble(factor), from: .update, into: .parameters))
    return scale
  }

  /// Appends what makes the matrix that is orthogonalised, from the velocity `s·u` and the gradient.
  private func appendUpdate(
    _ tensor: TensorState, _ gradient: ScaledDouble, decay: Double, velocityScale: Double,
    into program: inout StepProgram
  ) {
    var (ofVelocity, ofGradient) = (nesterov ? momentum : 1, nesterov ? 1.0 : 0)
    if convention == .optax {
      let step = Double(tensor.step)
      ofVelocity /= Platform.complementOfPower(momentum, nesterov ? step + 1 : step)
      ofGradient /= Platform.complementOfPower(momentum, step)
    }
    // Without an epsilon a factor of the whole matrix changes nothing, so it stays in units of the stored direction.
    let whole = ScaledDouble(ofVelocity) * velocityScale
    let unit = method.epsilon == 0 ? whole : ScaledDouble(1)
    guard whole.significand != 0 else {
      // Nesterov without momentum: the gradient alone.
      program.append(.copy(from: .gradient, into: .update))
      program.append(.scal(factor: gradient, .update))
      if decay != 0 { program.append(.axpy(factor: ScaledDouble(decay), from: .parameters, into: .update)) }
      return
    }
    program.append(.copy(from: .direction, into: .update))
    if method.epsilon != 0 { program.append(.scal(factor: whole, .update)) }
    guard ofGradient != 0 else { return }
    program.append(.axpy(factor: gradient * ofGradient / unit, from: .gradient, into: .update))
    if decay != 0 {
      program.append(.axpy(factor: ScaledDouble(decay * ofGradient) / unit, from: .parameters, into: .update))
    }
  }

  /// k for a tensor of some shape.
  private func factor(of shape: [Int]) -> Double {
    var (rows, columns) = view.sides(of: shape)
    // Named outputs are the rows already, whatever a convention makes of a layout.
    if !view.namesOutputs {
      if convention == .mlx, shape.count > 2 { (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1]) }
      if convention == .optax { (rows, columns) = (columns, rows) }
    }
    let (r, c) = (Double(rows), Double(max(columns, 1)))
    switch scale {
    case .fanRatio: return max(1, r / c).squareRoot()
    case .matchingRMS(let rms): return rms * max(r, c).squareRoot()
    case .spectral: return (r / c).squareRoot()
    case .none: return 1
    }
  }
}

extension Convention {
  /// Whether the gradient enters the velocity of ``Muon`` times 1 - m.
  fileprivate var dampsMuon: Bool { self == .pytorch || self == .optax || self == .mlx }
}

extension MatrixView {
  /// The rows and columns of the first matrix of a tensor. Allocates nothing.
  func sides(of shape: [Int]) -> (rows: Int, columns: Int) {
    guard shape.count >= 2 else { return (1, shape.first ?? 1) }
    func extent(_ axes: [Int]) -> Int { ElementCount.product(axes.lazy.map { shape[$0 < 0 ? $0 + shape.count : $0] }) }
    switch self {
    case .firstAxis: return (shape[0], ElementCount.product(shape[1...]))
    case .lastTwoAxes: return (shape[shape.count - 2], shape[shape.count - 1])
    case .axes(let inputs, let outputs): return (extent(outputs), extent(inputs))
    case .rowBlocks(let counts, let view): return (counts.first ?? 1, view.sides(of: shape).columns)
    }
  }

  /// Whether the view says which axes are outputs; otherwise the convention knows.
  fileprivate var namesOutputs: Bool {
    switch self {
    case .firstAxis, .lastTwoAxes: false
    case .axes: true
    case .rowBlocks(_, let view): view.namesOutputs
    }
  }
}

extension Muon: CustomStringConvertible {
  /// The rule in words, for example `Muon, learning rate 0.02, momentum 0.95, Nesterov`.
  public var description: String {
    var parts = ["Muon", "learning rate \(learningRate)", "momentum \(momentum)"]
    if nesterov { parts.append("Nesterov") }
    if weightDecay > 0 { parts.append("\(convention == .mlx ? "coupled " : "")weight decay \(weightDecay)") }
    if method == .polar { parts.append("method polar") }
    if convention != .native { parts.append("convention \(convention.rawValue)") }
    return parts.joined(separator: ", ")
  }
}
