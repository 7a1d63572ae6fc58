import Foundation
import Momentum
import MomentumFiles

/// Trains a small network to recognise handwritten digits, saves after each epoch, and goes on from what is saved.
@main
struct Digits {
  static let (trainingImages, batch, epochs) = (1500, 50, 12)

  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let lastEpoch = Int(arguments[3]) else {
      fatalError("usage: Digits DATA FOLDER EPOCHS")
    }
    let data = try DigitsFile(arguments[1])
    let network = Network()
    let tensors = network.tensors
    var optimizer = try makeOptimizer(ParameterLayout(tensors.map { ($0.name, $0.shape) }))
    let run = SavedRun(folder: arguments[2])
    try run.resume(&optimizer, tensors)

    let stepsOfEpoch = trainingImages / batch
    while optimizer.stepCount < lastEpoch * stepsOfEpoch {
      let first = optimizer.stepCount % stepsOfEpoch * batch
      try network.differentiate(
        data.pixels[first * DigitsFile.pixelCount..<(first + batch) * DigitsFile.pixelCount],
        data.labels[first..<first + batch])
      let report = try optimizer.step(
        parameters: tensors.map(\.values), gradients: tensors.map { UnsafeBufferPointer($0.gradient) })
      if optimizer.stepCount % stepsOfEpoch == 0, let norm = report.totalNorm {
        print("step \(report.step): norm of the gradient \(norm), clipped by \(report.clipCoefficient)")
        try run.save(optimizer, tensors)
      }
    }
    let accuracy = try network.accuracy(
      data.pixels[(trainingImages * DigitsFile.pixelCount)...], data.labels[trainingImages...])
    print("accuracy \(accuracy) on images of other writers")
  }

  /// Momentum with a warm-up and half a cosine; biases do not decay.
  static func makeOptimizer(_ layout: ParameterLayout) throws -> Optimizer<Float> {
    let learningRate: Schedule = try .warmup(
      steps: 30, then: .cosine(initial: 0.2, steps: (epochs - 1) * trainingImages / batch))
    return try Optimizer(
      layout, rule: Scheduled(SGD(learningRate: 0.2, momentum: 0.9, weightDecay: 1e-4), learningRate: learningRate),
      groups: [
        ParameterGroup(
          "biases", ["*.bias"], rule: Scheduled(SGD(learningRate: 0.2, momentum: 0.9), learningRate: learningRate))
      ],
      clipping: .byGlobalNorm(1))
  }
}
