import Momentum

/// Judges one step, whether it was taken, skipped or refused, by the plain loop.
struct PlainVerdict<Scalar: BLASScalar, Wide: WideNumber> {
  let step: PlainStep<Scalar, Wide>
  let after: Snapshot<Scalar>
  private var comparison: Comparison { Comparison(names: "plain loop", layout: step.layout) }
  private var bounds: Bounds<Wide> { step.bounds }

  init(_ step: PlainStep<Scalar, Wide>, after: Snapshot<Scalar>) { (self.step, self.after) = (step, after) }

  /// Whether the gradient has to be refused.
  func refusal() -> (tensor: String, index: Int)? {
    step.settings.effectivePolicy == .throw ? step.firstOffender : nil
  }

  /// - Returns: How far everything was from the plain loop.
  func check(_ report: StepReport, _ tensors: [TensorReport]) throws -> AccuracyRecord {
    var (clip, clampedNorms) = step.measured()
    if step.settings.loss.growth == nil {
      try comparison.compare("fixed loss scale", step.settings.loss, step.before.lossScale)
    }
    try comparison.compare("reported loss scale", step.before.lossScale.current, report.lossScale)
    guard step.asksForNorm else {
      try comparison.compareNumbers("total norm", nil, report.totalNorm)
      return try checkTaken(clip, report, limit: nil)
    }
    try checkMeasurement(clip, report, tensors)
    if step.settings.effectivePolicy == .skipStep, clip.nanCount + clip.infinityCount > 0 {
      try checkSkipped(report, limit: step.before.state.adaptiveLimit)
      return AccuracyRecord()
    }
    step.limitTensorsAndGroups(&clip, clampedNorms: clampedNorms)
    try check("compared norm", clip.comparedNorm, report.comparedNorm)
    var limit = step.before.state.adaptiveLimit
    var adaptive: Double?
    switch limit?.decide(norm: report.comparedNorm ?? .nan) {
    case .limit(let norm): adaptive = norm
    case .skip:
      try checkSkipped(report, limit: limit)
      return AccuracyRecord()
    case nil, .some(.none): break
    }
    step.limitWhole(&clip, adaptive: adaptive)
    try check("clip coefficient", clip.wholeCoefficient, report.clipCoefficient)
    return try checkTaken(clip, report, limit: limit)
  }

  private func checkMeasurement(_ clip: PlainClip<Wide>, _ report: StepReport, _ tensors: [TensorReport]) throws {
    try comparison.compare("number of NaN", clip.nanCount, report.clip.nanCount)
    try comparison.compare("number of infinities", clip.infinityCount, report.clip.infinityCount)
    try comparison.compare("number of clipped values", clip.valueClippedCount, report.valueClippedCount)
    try check("total norm", clip.totalNorm, report.totalNorm)
    for (index, tensor) in tensors.enumerated() where step.gradients[index] != nil {
      try check("norm of a tensor", clip.tensorNorms[index], tensor.norm, tensor.name)
    }
  }

  /// A number of a report, in its interval. One beyond the largest `Double` is infinite there, one below the least is 0.
  private func check(_ what: String, _ expected: Interval<Wide>, _ found: Double?, _ tensor: String? = nil) throws {
    guard let found else { throw Difference("plain loop, \(what)", tensor: tensor, expected: expected, found: "nil") }
    if expected.contains(Wide(found), slack: bounds.coefficient) { return }
    let (low, high) = (Double(expected.low), Double(expected.high))
    if low.magnitude < Double.leastNormalMagnitude || high.isInfinite, found >= low.nextDown, found <= high.nextUp {
      return
    }
    throw Difference("plain loop, \(what)", tensor: tensor, expected: expected, found: found)
  }

  private func checkTaken(
    _ clip: PlainClip<Wide>, _ report: StepReport, limit: AdaptiveLimit?
  ) throws -> AccuracyRecord {
    try comparison.compare("wasSkipped", false, report.wasSkipped)
    try comparison.compare("reported step", step.before.state.stepCount + 1, report.step)
    try comparison.compare("step count", report.step, after.state.stepCount)
    if clip.certainlyClips { try comparison.compare("wasClipped", true, report.wasClipped) }
    if !clip.perhapsClips { try comparison.compare("wasClipped", false, report.wasClipped) }
    try comparison.compare("flag of a clipped step", report.wasClipped, after.state.lastStepClipped)
    try checkAdapted(report, limit)
    var check = PlainCheck(step, clip, after: after)
    try check.checkTensors()
    return check.record
  }

  private func checkSkipped(_ report: StepReport, limit: AdaptiveLimit?) throws {
    try comparison.compare("wasSkipped", true, report.wasSkipped)
    try checkAdapted(report, limit)
    try checkNothingWritten(apartFromLimits: true)
  }

  private func checkAdapted(_ report: StepReport, _ limit: AdaptiveLimit?) throws {
    var scale = step.before.lossScale
    scale.update(finite: report.nonFiniteCount == 0)
    try comparison.compare("loss scale", scale, after.lossScale)
    try comparison.compare("adaptive limit", limit, after.state.adaptiveLimit)
  }

  /// Compares everything before and after a step that must not have happened.
  func checkNothingWritten(apartFromLimits: Bool) throws {
    var before = step.before
    if apartFromLimits {
      (before.lossScale, before.state.lossScale) = (after.lossScale, after.state.lossScale)
      before.state.adaptiveLimit = after.state.adaptiveLimit
    }
    try Comparison(names: "a step that was not taken", layout: step.layout).compare(before, after)
  }
}
