import Foundation
import Momentum
import MomentumFiles

/// Trains a small network to recognise handwritten digits, saves after each epoch, and goes on from what is saved.
@main
struct Digits {
  static let (trainingImages, batch, epochs) = (1500, 50, 12)

  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let lastEpoch = Int(arguments[3]) else { fatalError("usage: Digits DATA FILE EPOCHS") }
    let data = try DigitsFile(arguments[1])
    let network = Network()
    let values = network.tensors.map(\.values)
    let gradients = network.tensors.map(\.gradient)
    var optimizer = try makeOptimizer(ParameterLayout(network.tensors.map { ($0.name, $0.shape) }))
    let checkpoint = arguments[2]
    if FileManager.default.fileExists(atPath: checkpoint) {
      try Checkpoint.load(checkpoint, into: &optimizer, parameters: values)
    }

    let stepsOfEpoch = trainingImages / batch
    while optimizer.stepCount < lastEpoch * stepsOfEpoch {
      let first = optimizer.stepCount % stepsOfEpoch * batch
      try network.differentiate(
        data.pixels[first * DigitsFile.pixelCount..<(first + batch) * DigitsFile.pixelCount],
        data.labels[first..<first + batch])
      let report = try optimizer.step(parameters: values, gradients: gradients)
      if optimizer.stepCount % stepsOfEpoch == 0 {
        print(report)
        try Checkpoint.save(optimizer, parameters: values, to: checkpoint)
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
    let biases = ParameterGroup(
      "biases", ["*.bias"], rule: try SGD.scheduled(learningRate: learningRate, momentum: .constant(0.9)))
    return try Optimizer(
      layout, rule: SGD.scheduled(learningRate: learningRate, momentum: .constant(0.9), weightDecay: 1e-4),
      groups: [biases], clipping: .byGlobalNorm(1))
  }
}
