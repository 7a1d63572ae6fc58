import Momentum

/// The clipping of one step by the plain loop: norms, counts, and the coefficient of every tensor and unit.
struct PlainClip<Wide: WideNumber> {
  var nanCount = 0
  var infinityCount = 0
  var valueClippedCount = 0
  var totalNorm: Interval<Wide>
  /// The largest magnitude of the finite elements as they lie in memory, or after clipping by value.
  var largest: Wide = 0
  /// The norm of the true gradient of each tensor before any clip; 0 where there is none.
  var tensorNorms: [Interval<Wide>]
  var comparedNorm = Interval<Wide>(0)
  /// The coefficient of the limit of all tensors together.
  var wholeCoefficient = Interval<Wide>.one
  /// The product of the coefficients of each tensor.
  var coefficients: [Interval<Wide>]
  /// The coefficients of the units of each tensor whose units are limited.
  var unitCoefficients: [[Interval<Wide>]?]
  var unitsOfClips: [PlainUnits?]

  /// Whether a norm clip certainly, or perhaps, changes something.
  var certainlyClips = false
  var perhapsClips = false

  /// C·(1/C), which Keras multiplies by where nothing is clipped, may be a unit less than 1.
  fileprivate mutating func noteRoundTrip(_ convention: Convention) {
    if convention == .keras { perhapsClips = true }
  }

  /// Takes note of a coefficient; returns what elements are multiplied by, since one that rounds to 1 is not applied.
  fileprivate mutating func note(_ coefficient: Interval<Wide>, unit: Wide) -> Interval<Wide> {
    if coefficient.low != 1 || coefficient.high != 1 { perhapsClips = true }
    if coefficient.isNaN || coefficient.high < 1 - 4 * unit || coefficient.low > 1 + 4 * unit { certainlyClips = true }
    var applied = coefficient
    if applied.high < 1, applied.high > 1 - 2 * unit { applied.high = 1 }
    if applied.low > 1, applied.low < 1 + 2 * unit { applied.low = 1 }
    return applied
  }
}

extension PlainStep {
  /// Measures the gradient and counts what is to be counted.
  func measured() -> (clip: PlainClip<Wide>, clampedNorms: [Wide]) {
    let order = settings.measuredType.order
    var clip = PlainClip<Wide>(
      totalNorm: Interval(0), tensorNorms: [], coefficients: gradients.map { _ in .one },
      unitCoefficients: gradients.map { _ in nil }, unitsOfClips: gradients.map { _ in nil })
    var norms: [Wide] = []
    var clampedNorms: [Wide] = []
    for (index, gradient) in gradients.enumerated() {
      let entry = entry(ofTensor: index)
      var (norm, clamped) = (PlainNorm<Wide>(order), PlainNorm<Wide>(order))
      for element in gradient ?? UnsafeBufferPointer(start: nil, count: 0) {
        var x = Wide(element)
        if !element.isFinite {
          if element.isNaN { clip.nanCount += 1 } else { clip.infinityCount += 1 }
          if entry.clearsNonFinite { x = 0 }
        }
        norm.add(x)
        guard entry.clamps else { continue }
        let y = entry.clamped(x)
        if y != x, !x.isNaN { clip.valueClippedCount += 1 }
        clamped.add(y)
      }
      norms.append(norm.value)
      clip.largest = max(clip.largest, norm.largest, clamped.largest)
      clampedNorms.append(entry.clamps ? clamped.value : norm.value)
    }
    let scale = order == 0 ? 1 : factor
    let largest = clip.largest
    clip.tensorNorms = norms.map { interval($0, largest) * Interval(scale) }
    clip.totalNorm = interval(PlainNorm.total(norms, order), largest) * Interval(scale)
    return (clip, clampedNorms)
  }

  private func interval(_ norm: Wide, _ largest: Wide) -> Interval<Wide> {
    PlainNorm.interval(norm, settings.measuredType.order, largest: largest, bounds)
  }

  /// Finds all coefficients but that of the whole.
  func limitTensorsAndGroups(_ clip: inout PlainClip<Wide>, clampedNorms: [Wide]) {
    let order = settings.measuredType.order
    let scale = order == 0 ? 1 : factor
    let largest = clip.largest
    var clipped = clampedNorms.map { interval($0, largest) * Interval(scale) }
    for index in gradients.indices where gradients[index] != nil {
      let coefficient: Interval<Wide>
      switch settings.clip(ofGroup: membership[index]).tensor {
      case nil: continue
      case .rootMeanSquare(let limit):
        guard layout.tensors[index].count > 0 else { continue }
        let root = Wide(layout.tensors[index].count).squareRoot()
        coefficient = clipped[index].map { PlainCoefficient.rootMeanSquare(settings.convention, $0 / root, limit) }
      case .norm(let limit):
        coefficient = clipped[index].map { PlainCoefficient.limit(settings.convention, $0, limit, isWhole: false) }
      case .unitNorm(let limit, let division):
        let units = units[layout.tensors[index].shape, division]
        guard units.count > 1 else {
          coefficient = clipped[index].map { PlainCoefficient.limit(settings.convention, $0, limit, isWhole: false) }
          break
        }
        clipped[index] = limitUnits(ofTensor: index, units, limit, &clip)
        continue
      }
      clip.coefficients[index] = clip.note(coefficient, unit: bounds.unit)
      clipped[index] = clipped[index] * clip.coefficients[index]
    }
    for (group, spec) in settings.groups.enumerated() {
      guard case .norm(let limit) = spec.clip?.whole else { continue }
      let members = gradients.indices.filter { membership[$0] == group && gradients[$0] != nil }
      let norm = total(members.map { clipped[$0] }, order, largest * scale)
      let coefficient = norm.map { PlainCoefficient.limit(settings.convention, $0, limit, isWhole: true) }
      clip.noteRoundTrip(settings.convention)
      let applied = clip.note(coefficient, unit: bounds.unit)
      for index in members {
        clip.coefficients[index] = clip.coefficients[index] * applied
        clipped[index] = clipped[index] * applied
      }
    }
    clip.comparedNorm = total(
      gradients.indices.filter { gradients[$0] != nil }.map { clipped[$0] }, order, largest * scale)
  }

  private func total(_ norms: [Interval<Wide>], _ order: Double, _ largest: Wide) -> Interval<Wide> {
    PlainNorm.vanishing(
      Interval(PlainNorm.total(norms.lazy.map(\.low), order), PlainNorm.total(norms.lazy.map(\.high), order)),
      order, largest: largest)
  }

  /// Limits the units of one tensor; returns its norm afterwards.
  private func limitUnits(
    ofTensor index: Int, _ units: PlainUnits, _ limit: Double, _ clip: inout PlainClip<Wide>
  ) -> Interval<Wide> {
    let entry = entry(ofTensor: index)
    var norms = Array(repeating: PlainNorm<Wide>(2), count: units.count)
    for (element, unit) in zip(gradients[index]!, units.ofElement) {
      norms[Int(unit)].add(entry.clamped(Wide(element)))
    }
    let found = norms.map { PlainNorm.interval($0.value, 2, largest: 0, bounds) * Interval(factor) }
    let coefficients = found.map { norm in
      clip.note(
        norm.map { PlainCoefficient.limit(settings.convention, $0, limit, isWhole: false) },
        unit: bounds.unit)
    }
    (clip.unitCoefficients[index], clip.unitsOfClips[index]) = (coefficients, units)
    return total(zip(found, coefficients).map { $0 * $1 }, 2, 0)
  }

  /// Finds the coefficient of all tensors together.
  ///
  /// - Parameter adaptive: The limit that past norms have set for this step.
  func limitWhole(_ clip: inout PlainClip<Wide>, adaptive: Double?) {
    let coefficient: Interval<Wide>
    switch settings.clip.whole {
    case .target(let target):
      let target = min(target, adaptive ?? .infinity)
      let norm = clip.comparedNorm
      coefficient = norm.map { PlainCoefficient.target(settings.convention, $0, target) }
      // A norm that may be 0 may be anything above it, and then there is no bound.
      if norm.low == 0, norm.high > 0 {
        clip.perhapsClips = true
        clip.wholeCoefficient = Interval(min(1, coefficient.low), .infinity)
        for index in gradients.indices { clip.coefficients[index] = clip.wholeCoefficient }
        return
      }
    case let whole:
      var limit = adaptive ?? .infinity
      if case .norm(let other) = whole { limit = min(limit, other) }
      guard whole != nil || adaptive != nil else { return }
      coefficient = clip.comparedNorm.map { PlainCoefficient.limit(settings.convention, $0, limit, isWhole: true) }
      clip.noteRoundTrip(settings.convention)
    }
    clip.wholeCoefficient = coefficient
    let applied = clip.note(coefficient, unit: bounds.unit)
    for index in gradients.indices { clip.coefficients[index] = clip.coefficients[index] * applied }
  }
}

extension Settings {
  /// The norm that a step measures: that of the optimizer's clipping, or that of the group that clips.
  var measuredType: NormType {
    if !clip.isEmpty { return clip.type }
    return groups.lazy.compactMap(\.clip).first { $0.limitsNorm }?.type ?? clip.type
  }
}
