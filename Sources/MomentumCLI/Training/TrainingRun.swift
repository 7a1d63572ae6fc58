import Momentum

/// What learns in a run: a network, and how it is moved.
protocol TrainingLearner: AnyObject {
  /// Takes one step of the optimizer with the mean gradient of a batch.
  func step(_ images: ArraySlice<Int>) throws -> LearnedStep

  /// The mean loss of images, and the share of them whose labels had the largest score.
  func test(_ images: [Int]) throws -> (loss: Double, accuracy: Double)
}

/// What a step was like.
struct LearnedStep {
  /// The mean loss of the batch, before the step.
  let loss: Double
  /// That of the gradient before clipping.
  let norm: Double
  let isClipped: Bool
  let isSkipped: Bool
}

/// One network learning with one setting and one seed.
struct TrainingRun<Learner: TrainingLearner>: ~Copyable {
  let key: TrainingRunKey
  let learner: Learner
  private let options: TrainingOptions
  private let data: DigitsDataset
  private let stepsPerEpoch: Int
  private var order: [Int] = []
  private(set) var history: TrainingHistory

  /// Goes on with a learner that has the history.
  init(
    _ key: TrainingRunKey, options: TrainingOptions, data: DigitsDataset, learner: Learner, history: TrainingHistory
  ) {
    (self.key, self.options, self.data) = (key, options, data)
    (self.learner, self.history) = (learner, history)
    stepsPerEpoch = options.stepsPerEpoch(data)
  }

  var isFinished: Bool { history.isFinished(options) }

  /// One step of the optimizer; after the last one of an epoch also the test.
  mutating func step() throws {
    let place = history.stepCount % stepsPerEpoch
    if place == 0 || order.isEmpty {
      // All settings see the same batches.
      var generator = RandomStream(UInt64(key.seed), 0x0DE2, UInt64(history.stepCount / stepsPerEpoch))
      order = generator.permutation(data.trainingImages.count).map { data.trainingImages[$0] }
    }
    let step = try learner.step(order[place * options.batch..<min((place + 1) * options.batch, order.count)])
    if step.isSkipped { history.skippedCount += 1 }
    history.losses.append(step.loss)
    history.gradientNorms.append(step.norm)
    history.clipped.append(step.isClipped)
    guard step.loss.isFinite, step.norm.isFinite else {
      history.divergedAtStep = history.stepCount
      return
    }
    guard place == stepsPerEpoch - 1 else { return }
    let test = try learner.test(data.testImages)
    history.testLosses.append(test.loss)
    history.testAccuracies.append(test.accuracy)
  }
}

extension TrainingRun where Learner == NetworkLearner {
  /// Starts a run, or goes on with one that stopped in `state`.
  init(
    _ key: TrainingRunKey, options: TrainingOptions, data: DigitsDataset, from state: TrainingState? = nil
  ) throws(MomentumError) {
    self.init(
      key, options: options, data: data, learner: try NetworkLearner(key, options: options, data: data, from: state),
      history: state?.history ?? TrainingHistory())
  }

  var state: TrainingState {
    TrainingState(history: history, parameters: learner.parameterValues, optimizer: learner.optimizerState)
  }
}

extension TrainingOptions {
  /// Batches of an epoch; the last one may be smaller.
  func stepsPerEpoch(_ data: DigitsDataset) -> Int { (data.trainingImages.count + batch - 1) / batch }

  /// The parameters that a run starts with, or goes on with.
  func parameters(_ seed: Int, from state: TrainingState?) throws(MomentumError) -> ParameterVector<Float> {
    let layout = try shape.layout()
    var parameters = try ParameterVector<Float>(layout)
    let start: [Float]
    if let state {
      start = state.parameters
    } else {
      start = try shape.start(seed: UInt64(seed), gain: gain).map(Float.init)
    }
    guard start.count == layout.count else {
      throw .countMismatch(what: "parameters", count: start.count, expected: layout.count)
    }
    parameters.withUnsafeMutableBufferPointer { _ = $0.update(from: start) }
    return parameters
  }
}
