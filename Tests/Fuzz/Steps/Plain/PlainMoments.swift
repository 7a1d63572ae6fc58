import Momentum

/// The steps of ``Lion``, ``Signum`` and ``AdamW`` for one tensor.
struct PlainMoments<Wide: WideNumber> {
  private let kind: RuleSpec.Kind
  private let momentum, beta2: Wide
  private let nesterov, usesVelocity: Bool
  /// lr and ε of AdamW, with the correction of the means.
  private let rate, epsilon: Wide
  private let bounds: Bounds<Wide>
  /// What the stored direction is multiplied by.
  private let scale: Wide
  /// What underflow takes from a gradient, and from a velocity.
  private let lostOnEntry: Wide
  let lostVelocity: Wide
  /// What a velocity loses of its magnitude where it is stored.
  private let storage: Wide

  init(
    _ rule: PlainRule<Wide>, _ bounds: Bounds<Wide>, scale: Wide, lostOnEntry: Wide, steps: Int, storage: Wide
  ) {
    let spec = rule.spec
    (kind, self.bounds, self.scale, self.lostOnEntry) = (spec.kind, bounds, scale, lostOnEntry)
    (momentum, beta2) = (Wide(rule.momentum), Wide(spec.beta2))
    (nesterov, usesVelocity, self.storage) = (spec.nesterov, rule.usesVelocity, storage)
    lostVelocity = bounds.underflow * scale + lostOnEntry
    guard spec.kind == .adamW, spec.correctsBias else {
      (rate, epsilon) = (Wide(rule.learningRate), Wide(spec.epsilon))
      return
    }
    let root = (1 - Wide.power(beta2, Wide(steps))).squareRoot()
    rate = Wide(rule.learningRate) * root / (1 - Wide.power(momentum, Wide(steps)))
    epsilon = Wide(spec.epsilon) * (spec.convention == .keras ? 1 : root)
  }

  /// Lets an element take its step, once its velocity is the new one.
  ///
  /// - Parameters:
  ///   - v: The velocity before, as far as it counts.
  ///   - w: The second moment before.
  func step(_ element: inout PlainElement<Wide>, v: Wide, w: Wide, gradient: Interval<Wide>) {
    let g = element.gradient
    switch kind {
    case .lion:
      // Without momentum an infinite velocity does not enter either.
      let kept = momentum == 0 ? 0 : momentum * v
      var sum = PlainNumber(value: kept, size: kept.magnitude)
      sum.add(1 - momentum, g)
      element.parameter.add(-rate, sign(of: sum))
    case .signum:
      guard usesVelocity else { return element.parameter.add(-rate, sign(of: g)) }
      guard nesterov else { return element.parameter.add(-rate, sign(of: element.velocity)) }
      var sum = g
      sum.add(momentum, element.velocity)
      element.parameter.add(-rate, sign(of: sum))
    case .adamW:
      let old = beta2 * w
      let (low, high) = (
        old + (1 - beta2) * gradient.low * gradient.low, old + (1 - beta2) * gradient.high * gradient.high
      )
      let interval = Interval(low, high)
      element.secondMoment = PlainNumber(value: interval.middle, size: high, radius: interval.radius)
      element.parameter.add(-rate, quotient(element))
    case .sgd, .lars, .normalized, .muon: break
    }
  }

  /// A sign, or 0 up to 1 if roundings decide about it.
  private func sign(of x: PlainNumber<Wide>) -> PlainNumber<Wide> {
    if x.value.isNaN { return PlainNumber(value: .nan, size: .nan) }
    if x.size == 0, x.radius == 0 { return PlainNumber() }
    guard x.size < bounds.greatest / 0x1p30 else { return PlainNumber(size: 1, radius: .infinity) }
    let (low, high) = x.interval(2 * bounds.velocity(onePass: false) + storage, lost: 8 * lostVelocity)
    if low > 0 { return PlainNumber(value: 1, size: 1) }
    return high < 0 ? PlainNumber(value: -1, size: 1) : PlainNumber(size: 1, radius: 1)
  }

  /// What underflow takes from a second moment.
  func lostSquare(of x: PlainNumber<Wide>) -> Wide {
    bounds.underflow + 4 * lostOnEntry * (x.size.squareRoot() + lostOnEntry)
  }

  /// m / (√v + ε).
  private func quotient(_ element: PlainElement<Wide>) -> PlainNumber<Wide> {
    let m = element.velocity.interval(bounds.velocity(onePass: false), lost: lostVelocity)
    let v = element.secondMoment.interval(bounds.secondMoment, lost: lostSquare(of: element.secondMoment))
    let (least, most) = (max(0, v.low).squareRoot() + epsilon, v.high.squareRoot() + epsilon)
    if m.low.isNaN || most.isNaN { return PlainNumber(value: .nan, size: .nan) }
    let high = m.high / (m.high >= 0 ? least : most)
    let low = m.low / (m.low >= 0 ? most : least)
    guard least > 0, max(low.magnitude, high.magnitude) < bounds.greatest / 0x1p30 * min(1, scale) else {
      return PlainNumber(size: 1, radius: .infinity)
    }
    // A quotient of the stored direction may underflow.
    let interval = Interval(low, high)
    return PlainNumber(
      value: interval.middle, size: max(low.magnitude, high.magnitude),
      radius: interval.radius + bounds.underflow * scale)
  }
}

extension PlainElement {
  /// An element under a rule that does not descend along the velocity itself.
  @inline(__always)
  init(
    p: Wide, v: Wide, w: Wide, y: Wide, coefficient: Interval<Wide>, _ factors: PlainFactors<Wide>,
    _ moments: PlainMoments<Wide>
  ) {
    var plain = factors
    // Velocity and decay alone.
    (plain.rate, plain.leaving, plain.nesterov) = (0, 0, false)
    self.init(p: p, v: v, y: y, coefficient: coefficient, plain)
    // Without these factors what is not finite must not enter.
    let kept = PlainNumber(value: p, size: p.magnitude)
    parameter = kept
    if factors.decoupled != 0 { parameter.add(-factors.decoupled, kept) }
    moments.step(&self, v: factors.isFirstStep ? 0 : v, w: w, gradient: Interval(y.magnitude) * coefficient)
  }
}
