import Momentum

/// The record of a run so far. Nothing in it depends on time, threads or the machine's load.
struct TrainingHistory: Hashable, Codable, Sendable {
  /// One entry a step: mean loss of the batch, norm of the gradient before clipping, whether clipping changed it.
  var losses: [Double] = []
  var gradientNorms: [Double] = []
  var clipped: [Bool] = []
  /// One entry an epoch, measured after it.
  var testLosses: [Double] = []
  var testAccuracies: [Double] = []
  /// The number of steps that were skipped, because the gradient in half precision was not finite.
  var skippedCount = 0
  /// The first step whose loss or gradient was not finite; the run ended there.
  var divergedAtStep: Int?

  var stepCount: Int { losses.count }
  var epochCount: Int { testAccuracies.count }

  func isFinished(_ options: TrainingOptions) -> Bool { divergedAtStep != nil || epochCount == options.epochs }

  /// The first epoch, counted from 1, after which the test accuracy was at least `accuracy`.
  func epochs(to accuracy: Double) -> Int? { testAccuracies.firstIndex { $0 >= accuracy }.map { $0 + 1 } }

  /// The mean training loss of an epoch, over the batches as they came.
  func trainingLoss(epoch: Int, stepsPerEpoch: Int) -> Double {
    let steps = losses.dropFirst(epoch * stepsPerEpoch).prefix(stepsPerEpoch)
    return steps.reduce(0, +) / Double(steps.count)
  }

  /// The mean training loss of the last whole epoch; infinite for a run that diverged.
  func finalTrainingLoss(stepsPerEpoch: Int) -> Double {
    guard divergedAtStep == nil, epochCount > 0 else { return .infinity }
    return trainingLoss(epoch: epochCount - 1, stepsPerEpoch: stepsPerEpoch)
  }

  /// The accuracy at the end: a network of NaNs gets nothing right.
  var finalAccuracy: Double { divergedAtStep == nil ? testAccuracies.last ?? 0 : 0 }
}

/// The state of a run between two steps: all that it takes to go on from there bit for bit. The order of the images
/// follows from seed and epoch, the place within the epoch from the number of steps.
struct TrainingState: Sendable {
  var history = TrainingHistory()
  var parameters: [Float]
  var optimizer: OptimizerState<Float>
}
