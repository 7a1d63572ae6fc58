import Momentum

/// All that an optimizer and its caller hold at some point of a run.
struct Snapshot<Scalar: BLASScalar> {
  var parameters: [Scalar]
  var state: OptimizerState<Scalar>
  var lossScale: LossScale
}

extension Snapshot {
  init(_ twin: Twin<Scalar>) {
    parameters = Array(repeating: 0, count: twin.layout.count)
    twin.copyParameters(into: &parameters)
    state = twin.optimizer.state()
    lossScale = twin.optimizer.lossScale
  }
}

/// Comparisons bit for bit of what two twins hold and say.
struct Comparison {
  let names: String
  let layout: ParameterLayout

  func compare<Scalar>(_ expected: Snapshot<Scalar>, _ found: Snapshot<Scalar>) throws {
    try compare("parameters", expected.parameters, found.parameters)
    let (x, y) = (expected.state, found.state)
    try compare("direction of the velocity", whole(x.direction), whole(y.direction))
    try compare("second moment", whole(x.secondMoment), whole(y.secondMoment))
    try compare("stored average", whole(x.average), whole(y.average))
    for (index, tensor) in layout.tensors.enumerated() where layout.count > 0 {
      try compare("state of the velocity", known(x.velocities[index]), known(y.velocities[index]), tensor.name)
      try compare("state of the average", x.averages[index], y.averages[index], tensor.name)
    }
    try compare("step count", x.stepCount, y.stepCount)
    try compare("flag of a clipped step", x.lastStepClipped, y.lastStepClipped)
    try compare("loss scale", expected.lossScale, found.lossScale)
    try compare("adaptive limit", x.adaptiveLimit, y.adaptiveLimit)
  }

  /// A vector that has not been allocated is as good as zeros.
  private func whole<Scalar: BLASScalar>(_ vector: [Scalar]) -> [Scalar] {
    vector.isEmpty ? Array(repeating: 0, count: layout.count) : vector
  }

  /// A velocity that is not set keeps nothing, whatever its flag says.
  private func known(_ velocity: VelocityState) -> VelocityState {
    var velocity = velocity
    if !velocity.isSet { velocity.keepsLearningRate = false }
    return velocity
  }

  func compare<Scalar: BLASScalar>(_ what: String, _ expected: [Scalar], _ found: [Scalar]) throws {
    guard let index = Bits.firstDifference(expected, found) else { return }
    guard index < min(expected.count, found.count) else {
      throw Difference("\(names), count of \(what)", expected: expected.count, found: found.count)
    }
    let tensor = layout.tensors.first { $0.range.contains(index) }
    throw Difference(
      "\(names), \(what)", tensor: tensor?.name, index: index - (tensor?.offset ?? 0), expected: expected[index],
      found: found[index])
  }

  func compare<T: Equatable>(_ what: String, _ expected: T, _ found: T, _ tensor: String? = nil) throws {
    guard expected != found else { return }
    throw Difference("\(names), \(what)", tensor: tensor, expected: expected, found: found)
  }

  func compareNumbers(_ what: String, _ expected: Double?, _ found: Double?, _ tensor: String? = nil) throws {
    guard !Bits.areSame(expected, found) else { return }
    throw Difference(
      "\(names), \(what)", tensor: tensor, expected: expected.map { "\($0)" } ?? "nil",
      found: found.map { "\($0)" } ?? "nil")
  }

  func compare(_ expected: StepReport, _ found: StepReport) throws {
    try compare("reported step", expected.step, found.step)
    try compareNumbers("total norm", expected.totalNorm, found.totalNorm)
    try compareNumbers("compared norm", expected.comparedNorm, found.comparedNorm)
    try compareNumbers("clip coefficient", expected.clipCoefficient, found.clipCoefficient)
    try compareNumbers("reported loss scale", expected.lossScale, found.lossScale)
    try compare("wasClipped", expected.wasClipped, found.wasClipped)
    try compare("wasSkipped", expected.wasSkipped, found.wasSkipped)
    try compare("normOverflowed", expected.normOverflowed, found.normOverflowed)
    try compare("number of NaN", expected.clip.nanCount, found.clip.nanCount)
    try compare("number of infinities", expected.clip.infinityCount, found.clip.infinityCount)
    try compare("number of clipped values", expected.valueClippedCount, found.valueClippedCount)
  }

  func compare(_ expected: [TensorReport], _ found: [TensorReport]) throws {
    for (x, y) in zip(expected, found) {
      try compareNumbers("norm of a tensor", x.norm, y.norm, x.name)
      try compareNumbers("coefficient of a tensor", x.clipCoefficient, y.clipCoefficient, x.name)
      try compare("wasClipped of a tensor", x.wasClipped, y.wasClipped, x.name)
    }
  }
}
