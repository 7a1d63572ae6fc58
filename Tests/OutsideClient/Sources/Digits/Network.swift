import Foundation
import Momentum

/// A perceptron with one hidden layer: `softmax(W₂ · tanh(W₁ · x + b₁) + b₂)`. The names of its tensors are PyTorch's.
final class Network {
  private let hiddenWeight = Tensor("hidden.weight", 32, DigitsFile.pixelCount)
  private let hiddenBias = Tensor("hidden.bias", 32)
  private let outputWeight = Tensor("output.weight", 10, 32)
  private let outputBias = Tensor("output.bias", 10)

  var tensors: [Tensor] { [hiddenWeight, hiddenBias, outputWeight, outputBias] }

  /// Starts with weights that are different, but the same in every run.
  init() {
    for weight in [hiddenWeight, outputWeight] {
      let scale = 1 / Float(weight.columns).squareRoot()
      for index in weight.values.indices { weight.values[index] = sin(Float(index * index + 1)) * scale }
    }
  }

  /// The probabilities of the digits for a batch of images, and the activations of the hidden layer.
  private func probabilities(of images: ArraySlice<Float>) throws -> (hidden: [Float], outputs: [Float]) {
    var hidden = try layer(hiddenWeight, hiddenBias, Array(images))
    for index in hidden.indices { hidden[index] = tanh(hidden[index]) }
    var outputs = try layer(outputWeight, outputBias, hidden)
    for row in stride(from: 0, to: outputs.count, by: 10) {
      let largest = outputs[row..<row + 10].max()!
      for index in row..<row + 10 { outputs[index] = exp(outputs[index] - largest) }
      let sum = outputs[row..<row + 10].reduce(0, +)
      for index in row..<row + 10 { outputs[index] /= sum }
    }
    return (hidden, outputs)
  }

  /// The rows `W · x + b` for the rows x.
  private func layer(_ weight: Tensor, _ bias: Tensor, _ x: [Float]) throws -> [Float] {
    let rows = x.count / weight.columns
    var y = (0..<rows).flatMap { _ in bias.values }
    try x.withUnsafeBufferPointer { x in
      try y.withUnsafeMutableBufferPointer { y in
        try BLAS.gemm(
          1, BLAS.Matrix(x.baseAddress, rows: rows, columns: weight.columns), weight.matrix.readOnly.transposed,
          1, into: BLAS.MutableMatrix(y.baseAddress, rows: rows, columns: weight.rows))
      }
    }
    return y
  }

  /// Writes the gradient of the mean cross-entropy over a batch into the tensors.
  func differentiate(_ images: ArraySlice<Float>, _ labels: ArraySlice<Int>) throws {
    var (hidden, errors) = try probabilities(of: images)
    for (row, label) in labels.enumerated() { errors[row * 10 + label] -= 1 }
    for index in errors.indices { errors[index] /= Float(labels.count) }
    let hiddenErrors = try gradient(outputWeight, outputBias, of: errors, input: hidden)
    // The derivative of tanh.
    for index in hidden.indices { hidden[index] = hiddenErrors[index] * (1 - hidden[index] * hidden[index]) }
    _ = try gradient(hiddenWeight, hiddenBias, of: hidden, input: Array(images))
  }

  /// Writes the gradients of a layer, `errorsᵀ · input` and the sums of the errors; returns the errors of its input.
  private func gradient(
    _ weight: Tensor, _ bias: Tensor, of errors: [Float], input: [Float]
  ) throws -> [Float] {
    let rows = input.count / weight.columns
    var inputErrors = input
    try errors.withUnsafeBufferPointer { errors in
      let errors = BLAS.Matrix(errors.baseAddress, rows: rows, columns: weight.rows)
      try input.withUnsafeBufferPointer { input in
        let input = BLAS.Matrix(input.baseAddress, rows: rows, columns: weight.columns)
        try BLAS.gemm(1, errors.transposed, input, 0, into: weight.gradientMatrix)
      }
      try inputErrors.withUnsafeMutableBufferPointer { inputErrors in
        let inputErrors = BLAS.MutableMatrix(inputErrors.baseAddress, rows: rows, columns: weight.columns)
        try BLAS.gemm(1, errors, weight.matrix.readOnly, 0, into: inputErrors)
      }
    }
    bias.gradient.update(repeating: 0)
    for (index, error) in errors.enumerated() { bias.gradient[index % weight.rows] += error }
    return inputErrors
  }

  /// The share of images that are recognised.
  func accuracy(_ images: ArraySlice<Float>, _ labels: ArraySlice<Int>) throws -> Double {
    let outputs = try probabilities(of: images).outputs
    let right = zip(labels, stride(from: 0, to: outputs.count, by: 10)).count { label, row in
      outputs[row..<row + 10].allSatisfy { $0 <= outputs[row + label] }
    }
    return Double(right) / Double(labels.count)
  }
}
