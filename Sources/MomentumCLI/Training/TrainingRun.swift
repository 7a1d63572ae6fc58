import Momentum

/// One network learning with one setting and one seed.
struct TrainingRun: ~Copyable {
  let key: TrainingRunKey
  private let options: TrainingOptions
  private let data: DigitsDataset
  private let stepsPerEpoch: Int
  private var network: RecurrentNetwork<Float>
  private var parameters: ParameterVector<Float>
  private var gradient: ParameterVector<Float>
  private let half: HalfGradient?
  private var optimizer: Optimizer<Float>
  private var order: [Int] = []
  private(set) var history: TrainingHistory

  /// Starts a run, or goes on with one that stopped in `state`.
  init(
    _ key: TrainingRunKey, options: TrainingOptions, data: DigitsDataset, from state: TrainingState? = nil
  ) throws(MomentumError) {
    let layout = try options.shape.layout()
    // All that can fail comes first: a noncopyable value is either whole or not there.
    var parameters = try ParameterVector<Float>(layout)
    let gradient = try ParameterVector<Float>(layout)
    let half: HalfGradient? =
      if let stored = options.storedGradients { try HalfGradient(stored.type, layout) } else { nil }
    let start: [Float]
    if let state {
      start = state.parameters
    } else {
      start = try options.shape.start(seed: UInt64(key.seed), gain: options.gain).map(Float.init)
    }
    guard start.count == layout.count else {
      throw .countMismatch(what: "parameters", count: start.count, expected: layout.count)
    }
    parameters.withUnsafeMutableBufferPointer { _ = $0.update(from: start) }
    let optimizer = try Self.optimizer(layout, key.setting, options, from: state?.optimizer)
    (self.key, self.options, self.data) = (key, options, data)
    stepsPerEpoch = options.stepsPerEpoch(data)
    history = state?.history ?? TrainingHistory()
    network = RecurrentNetwork(options.shape, largestBatch: options.batch)
    self.parameters = parameters
    self.gradient = gradient
    self.half = half
    self.optimizer = optimizer
  }

  private static func optimizer(
    _ layout: ParameterLayout, _ setting: TrainingSetting, _ options: TrainingOptions,
    from state: OptimizerState<Float>?
  ) throws(MomentumError) -> Optimizer<Float> {
    let (rule, clipping) = (try setting.rule(options), try options.clipping(setting.clipping))
    // A gradient that is not finite goes through, so that what happens without clipping can be seen.
    var optimizer = try Optimizer<Float>(
      layout, rule: rule, groups: setting.groups(options), clipping: clipping, nonFinitePolicy: .propagate,
      lossScale: options.storedGradients?.lossScale ?? .none, threads: 1)
    if let state { try optimizer.restore(state) }
    return optimizer
  }

  var isFinished: Bool { history.isFinished(options) }

  var state: TrainingState {
    TrainingState(
      history: history, parameters: parameters.withUnsafeBufferPointer { Array($0) }, optimizer: optimizer.state())
  }

  /// One step of the optimizer; after the last one of an epoch also the test.
  mutating func step() throws(MomentumError) {
    let place = history.stepCount % stepsPerEpoch
    if place == 0 || order.isEmpty {
      // All settings see the same batches.
      var generator = RandomStream(UInt64(key.seed), 0x0DE2, UInt64(history.stepCount / stepsPerEpoch))
      order = generator.permutation(data.trainingImages.count).map { data.trainingImages[$0] }
    }
    let images = order[place * options.batch..<min((place + 1) * options.batch, order.count)]
    network.load(images, of: data)
    let labels = ArraySlice(images.map { data.labels[$0] })
    let loss = try run(labels, withGradient: true).loss
    let report =
      if let half {
        try half.step(&optimizer, &parameters, gradients: gradient)
      } else {
        try optimizer.step(&parameters, gradients: gradient)
      }
    // Of a gradient that half precision does not hold, the norm that it would have.
    let norm = report.wasSkipped ? try Gradients.norm(of: gradient).norm : report.totalNorm ?? .nan
    if report.wasSkipped { history.skippedCount += 1 }
    history.losses.append(Double(loss))
    history.gradientNorms.append(norm)
    history.clipped.append(report.wasClipped || report.valueClippedCount > 0)
    guard loss.isFinite, norm.isFinite else {
      history.divergedAtStep = history.stepCount
      return
    }
    if place == stepsPerEpoch - 1 { try test() }
  }

  private mutating func test() throws(MomentumError) {
    var (loss, correct) = (0.0, 0)
    let count = data.testImages.count
    for first in stride(from: 0, to: count, by: options.batch) {
      let images = data.testImages[first..<min(first + options.batch, count)]
      network.load(images, of: data)
      let part = try run(ArraySlice(images.map { data.labels[$0] }), withGradient: false)
      loss += Double(part.loss) * Double(images.count)
      correct += part.correct
    }
    history.testLosses.append(loss / Double(count))
    history.testAccuracies.append(Double(correct) / Double(count))
  }

  private mutating func run(
    _ labels: ArraySlice<UInt8>, withGradient: Bool
  ) throws(MomentumError) -> (loss: Float, correct: Int) {
    guard withGradient else {
      return try parameters.withUnsafeBufferPointer { parameters throws(MomentumError) in
        try network.run(parameters, labels: labels)
      }
    }
    return try parameters.withUnsafeBufferPointer { parameters throws(MomentumError) in
      try gradient.withUnsafeMutableBufferPointer { gradient throws(MomentumError) in
        try network.run(parameters, labels: labels, gradient: gradient)
      }
    }
  }
}

extension TrainingOptions {
  /// Batches of an epoch; the last one may be smaller.
  func stepsPerEpoch(_ data: DigitsDataset) -> Int { (data.trainingImages.count + batch - 1) / batch }
}
