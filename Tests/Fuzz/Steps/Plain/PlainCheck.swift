import Momentum

/// Compares what a step did with the plain loop, element by element.
struct PlainCheck<Scalar: BLASScalar, Wide: WideNumber> {
  let step: PlainStep<Scalar, Wide>
  let clip: PlainClip<Wide>
  let after: Snapshot<Scalar>
  var record: AccuracyRecord

  private var bounds: Bounds<Wide> { step.bounds }
  private var isOnePass: Bool { step.settings.mode == .onePass }

  init(_ step: PlainStep<Scalar, Wide>, _ clip: PlainClip<Wide>, after: Snapshot<Scalar>) {
    (self.step, self.clip, self.after, record) = (step, clip, after, AccuracyRecord())
  }

  mutating func checkTensors() throws {
    for index in step.layout.tensors.indices {
      if step.gradients[index] == nil {
        try checkUntouched(index)
      } else {
        try checkTensor(index)
      }
    }
  }

  /// A tensor without a gradient keeps every bit.
  private func checkUntouched(_ index: Int) throws {
    let tensor = step.layout.tensors[index]
    let comparison = Comparison(names: "a tensor without a gradient", layout: step.layout)
    let (x, y) = (step.before, after)
    func part(_ vector: [Scalar]) -> [Scalar] {
      vector.isEmpty ? Array(repeating: 0, count: tensor.count) : Array(vector[tensor.range])
    }
    for (what, x, y) in [
      ("parameters", x.parameters, y.parameters), ("direction", x.state.direction, y.state.direction),
      ("average", x.state.average, y.state.average), ("second moment", x.state.secondMoment, y.state.secondMoment),
    ] {
      guard let first = Bits.firstDifference(part(x), part(y)) else { continue }
      throw Difference(
        "a tensor without a gradient, \(what)", tensor: tensor.name, index: first, expected: part(x)[first],
        found: part(y)[first])
    }
    try comparison.compare("velocity", x.state.velocities[index], y.state.velocities[index], tensor.name)
    try comparison.compare("average", x.state.averages[index], y.state.averages[index], tensor.name)
  }

  private mutating func checkTensor(_ index: Int) throws {
    let tensor = step.layout.tensors[index]
    // Where a norm that may be 0 stands below a fraction line, nothing is known.
    if clip.coefficients[index].high == .infinity, clip.coefficients[index].low.isFinite {
      return record.note(.unbounded)
    }
    let rule = try step.rule(ofTensor: index, clip)
    let (old, new) = (step.before.state.velocities[index], after.state.velocities[index])
    let comparison = Comparison(names: "plain loop", layout: step.layout)
    if rule.usesVelocity {
      try comparison.compare("velocity is set", true, new.isSet, tensor.name)
      try comparison.compare("velocity keeps the rate", rule.spec.keepsLearningRate, new.keepsLearningRate, tensor.name)
    } else {
      try comparison.compare("unused velocity", old, new, tensor.name)
    }
    let squares = old.secondMomentSteps + (rule.spec.kind == .adamW ? 1 : 0)
    try comparison.compare("steps of the second moment", squares, new.secondMomentSteps, tensor.name)
    let factors = PlainFactors<Wide>(
      momentum: rule.keeping, entering: rule.entering(isFirstStep: !old.isSet), leaving: rule.leaving,
      rate: Wide(rule.learningRate), coupled: rule.coupled.middle, coupledRadius: rule.coupled.radius,
      decays: rule.spec.weightDecay > 0 && !rule.spec.decoupled, decoupled: rule.decoupled,
      sign: rule.spec.maximize ? -1 : 1, usesVelocity: rule.usesVelocity,
      isFirstStep: !old.isSet, nesterov: rule.spec.nesterov, onePass: isOnePass ? 1 : 0)
    guard rule.coupled.high.isFinite || rule.coupled.isNaN else { return record.note(.unbounded) }
    try checkElements(index, rule, factors)
  }

  /// The scale and the vector of a velocity or an average.
  private struct Stored {
    let vector: [Scalar]
    let scale: Wide
    func value(_ i: Int) -> Wide { vector.isEmpty ? 0 : Wide(vector[i]) * scale }
  }

  private mutating func checkElements(
    _ index: Int, _ rule: PlainRule<Wide>, _ factors: PlainFactors<Wide>
  ) throws {
    let (tensor, before) = (step.layout.tensors[index], step.before)
    let entry = step.entry(ofTensor: index)
    let oldVelocity = Stored(
      vector: before.state.direction, scale: Wide(before.state.velocities[index].scale))
    let velocity = Stored(vector: after.state.direction, scale: Wide(after.state.velocities[index].scale))
    let average = PlainAverage<Wide>(
      step.settings.averaging, before.state.averages[index], after.state.averages[index], step: after.state.stepCount)
    let whole = clip.coefficients[index]
    let scalesUnits = rule.units.count > 1 || clip.unitCoefficients[index] != nil
    // What an element lost to underflow is multiplied by on its way, if a scaled copy of the gradient is made.
    let ruleFactor = clip.unitCoefficients[index] == nil && rule.units.count > 1 ? 1 : rule.largestUnitFactor
    let copied = scalesUnits ? 4 * step.factor * whole.high * ruleFactor : 1
    let lostOnEntry = bounds.underflow * (isOnePass ? 2 : 1) * max(1, copied)
    let parameterBound = bounds.parameter(onePass: isOnePass)
    let storage = bounds.storage(of: step.settings.velocityType, onePass: isOnePass)
    let velocityBound = bounds.velocity(onePass: isOnePass) + storage.relative
    let lostVelocity = bounds.underflow * velocity.scale + factors.entering.magnitude * lostOnEntry
    let lostParameter = bounds.underflow + factors.rate * lostOnEntry + factors.leaving.magnitude * lostVelocity

    let moments = PlainMoments(
      rule, bounds, scale: max(oldVelocity.scale, velocity.scale), lostOnEntry: lostOnEntry,
      steps: after.state.velocities[index].secondMomentSteps, storage: storage.relative)
    let oldSquares = Stored(vector: before.state.secondMoment, scale: 1)
    func coefficient(_ i: Int) -> Interval<Wide> {
      let unit = rule.units.count > 1 ? Int(rule.units.ofElement[i]) : 0
      return clip.coefficientOfUnit(i, ofTensor: index) * whole * rule.unitFactors[unit]
    }
    func element(_ i: Int, _ coefficient: Interval<Wide>) -> PlainElement<Wide> {
      let (position, y) = (tensor.offset + i, entry.clamped(Wide(step.gradients[index]![i])) * step.factor)
      let (p, v) = (Wide(before.parameters[position]), oldVelocity.value(position))
      switch rule.spec.kind {
      case .sgd, .lars, .normalized: return PlainElement(p: p, v: v, y: y, coefficient: coefficient, factors)
      case .lion, .signum, .adamW, .muon:
        return PlainElement(
          p: p, v: v, w: oldSquares.value(position), y: y, coefficient: coefficient, factors, moments)
      }
    }
    var updates: [PlainNumber<Wide>] = []
    if rule.spec.kind == .muon {
      let muon = PlainMuon(
        rule, bounds, step: after.state.stepCount, shape: tensor.shape,
        lost: moments.lostVelocity + storage.least * velocity.scale, storage: storage.relative)
      updates = muon.updates((0..<tensor.count).map { element($0, coefficient($0)) })
    }

    for i in 0..<tensor.count {
      let position = tensor.offset + i
      let coefficient = coefficient(i)
      if coefficient.high == .infinity, coefficient.low.isFinite {
        record.note(.unbounded)
        continue
      }
      // The gradient of a unit is stored after the rule has scaled it, before the other factors.
      if rule.units.count > 1 {
        let scaled = coefficient.high / (step.factor * whole.high)
        if scaled * step.factor * entry.clamped(Wide(step.gradients[index]![i])).magnitude > bounds.greatest / 4 {
          record.note(.nearRange)
          continue
        }
      }
      var plain = element(i, coefficient)
      if !updates.isEmpty { plain.parameter.add(-factors.rate, updates[i]) }
      if rule.spec.kind == .adamW {
        guard
          try check(
            .secondMoment, plain.secondMoment, Wide(after.state.secondMoment[position]), bounds.secondMoment,
            moments.lostSquare(of: plain.secondMoment), tensor, i)
        else { continue }
      }
      if rule.usesVelocity {
        let found = velocity.value(position)
        // Nothing is known of what is made of a velocity that may overflow.
        guard
          try check(
            .velocity, plain.velocity, found, velocityBound, lostVelocity + storage.least * velocity.scale, tensor,
            i)
        else { continue }
      }
      if plain.parameter.size > bounds.greatest / 4, plain.parameter.size.isFinite {
        record.note(.nearRange)
        continue
      }
      var lostAsStored = lostParameter
      if let average {
        let old = before.state.average.isEmpty ? 0 : Wide(before.state.average[position])
        let mean = average.next(old, plain.parameter)
        let lost = bounds.underflow * average.largestScale + average.entering * lostParameter
        let found = Wide(after.state.average[position]) * average.newScale
        guard
          try check(
            .average, mean, found, bounds.average(onePass: isOnePass), lost, tensor, i)
        else { continue }
        if average.overwrites { (plain.parameter, lostAsStored) = (mean, lost) }
      }
      let bound = average?.overwrites == true ? bounds.average(onePass: isOnePass) : parameterBound
      _ = try check(
        .parameter, plain.parameter, Wide(after.parameters[position]), bound, lostAsStored, tensor, i)
    }
  }

  /// - Returns: Whether the number could be compared.
  @inline(__always)
  private mutating func check(
    _ kind: AccuracyRecord.Kind, _ plain: PlainNumber<Wide>, _ found: Wide, _ bound: Wide, _ lost: Wide,
    _ tensor: ParameterLayout.Tensor, _ index: Int
  ) throws -> Bool {
    // Near the end of the range an order of additions may overflow that another one does not.
    if plain.size > bounds.greatest / 4, plain.size.isFinite {
      record.note(.nearRange)
      return false
    }
    guard plain.value.isFinite, plain.radius.isFinite else {
      // What is not finite stays so, but infinities may cancel to NaN in one order and not in another.
      guard !found.isFinite || plain.radius == .infinity else {
        throw Difference(
          "plain loop, \(kind.rawValue)", tensor: tensor.name, index: index, expected: plain.value, found: found)
      }
      return true
    }
    let allowed = bound * plain.size + plain.radius * (1 + 8 * bounds.unit) + lost
    let error = (found - plain.value).magnitude
    guard error <= allowed else {
      throw Difference(
        "plain loop, \(kind.rawValue), bound \(allowed)", tensor: tensor.name, index: index, expected: plain.value,
        found: found)
    }
    // Where a norm decides, or a velocity is stored in half precision, that bound hides the one of the arithmetic.
    let isHidden = plain.radius != 0 || (kind == .velocity && step.settings.velocityType != nil)
    if !isHidden { record.add(kind, error: error, allowed: allowed) } else { record.addCompared() }
    return true
  }
}

/// The average of one tensor by the plain loop.
struct PlainAverage<Wide: WideNumber> {
  let keeping, entering, oldScale, newScale: Wide
  let overwrites: Bool

  /// The scale that the vector was stored with during the step, or a larger one: overwriting multiplies it in.
  var largestScale: Wide { overwrites ? 0x1p12 : newScale }

  init?(_ spec: AveragingSpec?, _ old: AverageState, _ new: AverageState, step: Int) {
    guard let spec else { return nil }
    let count = Wide(old.count)
    if old.count == 0 {
      (keeping, entering) = (0, 1)
    } else if let decay = spec.decay {
      (keeping, entering) = (Wide(decay), 1 - Wide(decay))
    } else {
      (keeping, entering) = (count / (count + 1), 1 / (count + 1))
    }
    (oldScale, newScale) = (Wide(old.scale), Wide(new.scale))
    overwrites = spec.overwriteEvery.map { step % $0 == 0 } ?? false
  }

  /// - Parameter stored: The vector without its scale.
  @inline(__always)
  func next(_ stored: Wide, _ parameter: PlainNumber<Wide>) -> PlainNumber<Wide> {
    // What has no weight is not looked at, so that a NaN in it does not count.
    let old = keeping == 0 ? 0 : keeping * oldScale * stored
    guard entering != 0 else { return PlainNumber(value: old, size: old.magnitude) }
    return PlainNumber(
      value: old + entering * parameter.value, size: old.magnitude + entering * parameter.size,
      radius: entering * parameter.radius)
  }
}
