import Momentum

/// One step of one tensor as numbers: how much of everything enters velocity and parameters.
struct PlainRule<Wide: WideNumber> {
  /// lr and m of this step.
  var learningRate: Double
  var momentum: Double
  var spec: RuleSpec
  /// Factors of the gradient of each unit, or of the tensor (one unit).
  var unitFactors: [Interval<Wide>]
  var units: PlainUnits

  var usesVelocity: Bool {
    switch spec.kind {
    case .sgd, .lars, .signum, .normalized: momentum > 0
    case .lion, .adamW, .muon: true
    }
  }

  /// The largest factor of a unit, but for those of which nothing is known.
  var largestUnitFactor: Wide {
    guard units.count > 1 else { return unitFactors[0].high }
    return unitFactors.reduce(1) { $1.high.isFinite ? max($0, $1.high) : $0 }
  }

  /// What the old velocity is multiplied by.
  var keeping: Wide { Wide(spec.kind == .lion ? spec.beta2 : momentum) }

  /// The factor of decay that enters with the gradient, and that which goes to the parameters only.
  var coupled: Interval<Wide> {
    guard spec.weightDecay > 0, !spec.decoupled else { return Interval(0) }
    // LARS scales the decay with the gradient.
    let decay = Interval(Wide(spec.weightDecay))
    let scalesDecay = spec.isLARS && spec.adapts
    return scalesDecay ? decay * unitFactors[0] : decay
  }

  var decoupled: Wide { spec.decoupled ? Wide(learningRate) * Wide(spec.weightDecay) : 0 }

  /// What the gradient is multiplied by where it enters the velocity.
  func entering(isFirstStep: Bool) -> Wide {
    switch spec.kind {
    case .sgd, .lars:
      if spec.keepsLearningRate { return -Wide(learningRate) }
      return isFirstStep && spec.convention == .pytorch ? 1 : 1 - Wide(spec.dampening)
    case .lion, .adamW: return 1 - keeping
    case .signum, .normalized: return 1
    case .muon: return [.native, .keras].contains(spec.convention) ? 1 : 1 - keeping
    }
  }

  /// What the velocity is multiplied by where it enters the parameters.
  var leaving: Wide { spec.keepsLearningRate ? 1 : -Wide(learningRate) }
}

extension PlainStep {
  /// The rule of one tensor in this step.
  ///
  /// - Throws: A ``Difference`` if a schedule has another value than its formula.
  func rule(ofTensor index: Int, _ clip: PlainClip<Wide>) throws -> PlainRule<Wide> {
    let spec = settings.rule(ofGroup: membership[index])
    let step = before.state.stepCount
    var rule = PlainRule<Wide>(
      learningRate: try value(of: spec.rateSchedule, at: step) ?? spec.learningRate,
      momentum: try value(of: spec.momentumSchedule, at: step) ?? spec.momentum, spec: spec, unitFactors: [.one],
      units: units[layout.tensors[index].shape, .tensor])
    if spec.isLARS, spec.adapts {
      rule.unitFactors = [trust(ofTensor: index, spec, clip)]
    } else if spec.kind == .normalized {
      rule.units = units[layout.tensors[index].shape, spec.normalizedUnits]
      rule.unitFactors = unitNorms(ofTensor: index, rule.units, clip).map { PlainCoefficient.normalizing($0) }
    } else if let unitClip = spec.unitClip {
      rule.units = units[layout.tensors[index].shape, unitClip.units]
      let gradient = unitNorms(ofTensor: index, rule.units, clip)
      let parameters = parameterNorms(ofTensor: index, rule.units)
      rule.unitFactors = zip(gradient, parameters).map { gradient, parameter in
        // A NaN stays one.
        let limit = parameter.map {
          ($0 < Wide(unitClip.epsilon) ? Wide(unitClip.epsilon) : $0) * Wide(unitClip.factor)
        }
        let most = PlainCoefficient.adaptive(spec.convention, gradient.low, limit.high)
        let least = PlainCoefficient.adaptive(spec.convention, gradient.high, limit.low)
        return most.isNaN || least.isNaN ? Interval(.nan) : Interval(min(least, most), max(least, most))
      }
    }
    return rule
  }

  /// What a schedule gives, after comparing it with its formula.
  private func value(of schedule: ScheduleSpec?, at step: Int) throws -> Double? {
    guard let schedule else { return nil }
    let (plain, size) = schedule.plain(at: step)
    let value = try schedule.make().value(at: step)
    guard (value - plain).magnitude <= 16 * Double.ulpOfOne * size else {
      throw Difference("schedule \(schedule) after \(step) steps", expected: plain, found: value)
    }
    return value
  }

  /// r of LARS.
  private func trust(ofTensor index: Int, _ spec: RuleSpec, _ clip: PlainClip<Wide>) -> Interval<Wide> {
    let whole = units[layout.tensors[index].shape, .tensor]
    let p = parameterNorms(ofTensor: index, whole)[0]
    let decay = Wide(spec.weightDecay)
    if spec.convention == .optax, decay > 0 {
      let g = decayedNorm(ofTensor: index, decay, p.high, clip)
      return trust(spec, p, g, Interval(g.high, g.low))
    }
    let g = unitNorms(ofTensor: index, whole, clip)[0]
    return trust(spec, p, g, Interval(g.high + decay * p.low, g.low + decay * p.high))
  }

  /// r for norms of the parameters and of the gradient, each with its bounds; `denominators` are those of the least and
  /// the most.
  private func trust(
    _ spec: RuleSpec, _ p: Interval<Wide>, _ g: Interval<Wide>, _ denominators: Interval<Wide>
  ) -> Interval<Wide> {
    let least = PlainCoefficient.trust(spec, p.low, g.high, denominators.low)
    let most = PlainCoefficient.trust(spec, p.high, g.low, denominators.high)
    if least.isNaN || most.isNaN { return Interval(.nan) }
    // A norm that may be 0 gives 1 there, and next to it up to η·p/ε.
    if p.high > 0, g.low == 0, g.high > 0 { return Interval(min(1, least), .infinity) }
    return Interval(min(least, most), max(least, most))
  }

  // MARK: Norms of units

  /// The norms of units of the gradient after clipping.
  private func unitNorms(ofTensor index: Int, _ units: PlainUnits, _ clip: PlainClip<Wide>) -> [Interval<Wide>] {
    let entry = entry(ofTensor: index)
    var low = Array(repeating: PlainNorm<Wide>(2), count: units.count)
    var high = low
    for (i, element) in gradients[index]!.enumerated() {
      let unit = units.count > 1 ? Int(units.ofElement[i]) : 0
      let y = entry.clamped(Wide(element))
      let coefficient = clip.coefficientOfUnit(i, ofTensor: index)
      low[unit].add(y * coefficient.low)
      high[unit].add(y * coefficient.high)
    }
    let scale = clip.coefficients[index] * Interval(factor)
    return zip(low, high).map { low, high in
      let norm = Interval(
        PlainNorm.interval(low.value, 2, largest: 0, bounds).low,
        PlainNorm.interval(high.value, 2, largest: 0, bounds).high)
      return norm * scale
    }
  }

  private func parameterNorms(ofTensor index: Int, _ units: PlainUnits) -> [Interval<Wide>] {
    var norms = Array(repeating: PlainNorm<Wide>(2), count: units.count)
    for (i, element) in before.parameters[layout.tensors[index].range].enumerated() {
      norms[units.count > 1 ? Int(units.ofElement[i]) : 0].add(Wide(element))
    }
    return norms.map { PlainNorm.interval($0.value, 2, largest: 0, bounds) }
  }

  /// The norm of g + wd·p. Its elements may cancel, so its error is in proportion to the norms of both.
  private func decayedNorm(
    ofTensor index: Int, _ decay: Wide, _ parameterNorm: Wide, _ clip: PlainClip<Wide>
  ) -> Interval<Wide> {
    let entry = entry(ofTensor: index)
    let coefficient = clip.coefficients[index] * Interval(factor)
    let offset = layout.tensors[index].offset
    var (sum, spread, size) = (PlainNorm<Wide>(2), PlainNorm<Wide>(2), PlainNorm<Wide>(2))
    for (i, element) in gradients[index]!.enumerated() {
      let c = clip.coefficientOfUnit(i, ofTensor: index) * coefficient
      let y = entry.clamped(Wide(element))
      sum.add(y * c.middle + decay * Wide(before.parameters[offset + i]))
      spread.add(y * c.radius)
      size.add(y * c.high)
    }
    let norm = PlainNorm.interval(sum.value, 2, largest: 0, bounds)
    let rounding = 6 * bounds.unit * (size.value + decay * parameterNorm)
    let lost = Wide(gradients[index]!.count).squareRoot() * bounds.underflow * (1 + coefficient.high)
    let error = spread.value + rounding + lost
    guard norm.low.isFinite, error.isFinite else { return Interval(sum.value) }
    return Interval(max(0, norm.low - error), norm.high + error)
  }
}

extension PlainClip {
  /// The coefficient of the unit that an element lies in, without that of the tensor.
  @inline(__always)
  func coefficientOfUnit(_ element: Int, ofTensor index: Int) -> Interval<Wide> {
    guard let coefficients = unitCoefficients[index], let units = unitsOfClips[index] else { return .one }
    return coefficients[Int(units.ofElement[element])]
  }
}
