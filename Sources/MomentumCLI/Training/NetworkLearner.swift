import Momentum

/// A network in one process.
final class NetworkLearner: TrainingLearner {
  private let options: TrainingOptions
  private let data: DigitsDataset
  private var network: RecurrentNetwork<Float>
  private var parameters: ParameterVector<Float>
  private var gradient: ParameterVector<Float>
  private let half: HalfGradient?
  private var optimizer: Optimizer<Float>

  /// Starts a run, or goes on with one that stopped in `state`.
  init(
    _ key: TrainingRunKey, options: TrainingOptions, data: DigitsDataset, from state: TrainingState?
  ) throws(MomentumError) {
    let layout = try options.shape.layout()
    // All that can fail comes first: a noncopyable value is either whole or not there.
    let parameters = try options.parameters(key.seed, from: state)
    let gradient = try ParameterVector<Float>(layout)
    let half: HalfGradient? =
      if let stored = options.storedGradients { try HalfGradient(stored.type, layout) } else { nil }
    let optimizer = try Self.optimizer(layout, key.setting, options, from: state?.optimizer)
    (self.options, self.data) = (options, data)
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

  var parameterValues: [Float] { parameters.withUnsafeBufferPointer { Array($0) } }
  var optimizerState: OptimizerState<Float> { optimizer.state() }

  func step(_ images: ArraySlice<Int>) throws -> LearnedStep {
    let loss = try gradient.withUnsafeMutableBufferPointer { gradient throws(MomentumError) in
      try network.run(images, of: data, parameters, gradient: gradient).loss
    }
    let report =
      if let half {
        try half.step(&optimizer, &parameters, gradients: gradient)
      } else {
        try optimizer.step(&parameters, gradients: gradient)
      }
    // Of a gradient that half precision does not hold, the norm that it would have.
    let norm = report.wasSkipped ? try Gradients.norm(of: gradient).norm : report.totalNorm ?? .nan
    return LearnedStep(
      loss: Double(loss), norm: norm, isClipped: report.wasClipped || report.valueClippedCount > 0,
      isSkipped: report.wasSkipped)
  }

  func test(_ images: [Int]) throws -> (loss: Double, accuracy: Double) {
    var (loss, correct) = (0.0, 0)
    for first in stride(from: 0, to: images.count, by: options.batch) {
      let batch = images[first..<min(first + options.batch, images.count)]
      let part = try network.run(batch, of: data, parameters)
      loss += Double(part.loss) * Double(batch.count)
      correct += part.correct
    }
    return (loss / Double(images.count), Double(correct) / Double(images.count))
  }
}

extension RecurrentNetwork<Float> {
  /// Runs images; see ``run(_:labels:gradient:)``.
  mutating func run(
    _ images: ArraySlice<Int>, of data: DigitsDataset, _ parameters: borrowing ParameterVector<Float>,
    gradient: UnsafeMutableBufferPointer<Float>? = nil
  ) throws(MomentumError) -> (loss: Float, correct: Int) {
    load(images, of: data)
    let labels = ArraySlice(images.map { data.labels[$0] })
    return try parameters.withUnsafeBufferPointer { parameters throws(MomentumError) in
      try run(parameters, labels: labels, gradient: gradient)
    }
  }
}
