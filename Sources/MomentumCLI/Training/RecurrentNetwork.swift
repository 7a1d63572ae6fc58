import Foundation
import Momentum

/// An element type that the network computes with: BLAS does the products, libm the rest.
protocol NetworkScalar: BLASScalar {
  static func hyperbolicTangent(_ x: Self) -> Self
  static func exponential(_ x: Self) -> Self
  static func logarithm(_ x: Self) -> Self
}

extension Float: NetworkScalar {
  static func hyperbolicTangent(_ x: Float) -> Float { tanh(x) }
  static func exponential(_ x: Float) -> Float { exp(x) }
  static func logarithm(_ x: Float) -> Float { log(x) }
}

extension Double: NetworkScalar {
  static func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
  static func exponential(_ x: Double) -> Double { exp(x) }
  static func logarithm(_ x: Double) -> Double { log(x) }
}

/// The sizes of a network.
struct NetworkShape: Hashable, Codable, Sendable {
  /// Numbers read at each step.
  var inputs: Int
  var hidden: Int
  var outputs: Int
  /// Steps of a sequence.
  var steps: Int

  /// The parameters, tensor by tensor, in one flat vector.
  func layout() throws(MomentumError) -> ParameterLayout {
    try ParameterLayout([
      ("input.weight", [hidden, inputs]),
      ("recurrent.weight", [hidden, hidden]),
      ("hidden.bias", [hidden]),
      ("output.weight", [outputs, hidden]),
      ("output.bias", [outputs]),
    ])
  }
}

/// An Elman network that reads a sequence and names its class at the end, trained by backpropagation through time.
///
///     hₜ = tanh(W·xₜ + U·hₜ₋₁ + b),  h₀ = 0;   p = softmax(V·h_T + c);   loss = mean of −log p[label]
///
/// Everything that is not element by element is a `gemm` over the batch. All buffers are made once, for the largest
/// batch. The products of a batch of 32 with 64 units stay below the size at which OpenBLAS starts threads of its own,
/// so runs can go side by side, one a core.
///
/// Shapes, rows first: xₜ batch × inputs, hₜ batch × hidden, W hidden × inputs, U hidden × hidden, V outputs × hidden.
struct RecurrentNetwork<Scalar: NetworkScalar>: ~Copyable {
  let shape: NetworkShape
  let largestBatch: Int

  /// xₜ for all t, one batch × inputs matrix after the other, with rows for the largest batch.
  private let sequence: UnsafeMutablePointer<Scalar>
  /// h₀ … h_T likewise; h₀ stays 0.
  private let states: UnsafeMutablePointer<Scalar>
  /// dL/d(argument of tanh) of the step at hand, and dL/dhₜ.
  private let delta: UnsafeMutablePointer<Scalar>
  private let stateGradient: UnsafeMutablePointer<Scalar>
  /// V·h_T + c, then p, then dL/d(V·h_T + c).
  private let scores: UnsafeMutablePointer<Scalar>
  private let buffer: UnsafeMutablePointer<Scalar>

  init(_ shape: NetworkShape, largestBatch: Int) {
    self.shape = shape
    self.largestBatch = largestBatch
    let sizes = [
      shape.steps * shape.inputs, (shape.steps + 1) * shape.hidden, shape.hidden, shape.hidden, shape.outputs,
    ].map { $0 * largestBatch }
    let total = sizes.reduce(0, +)
    buffer = .allocate(capacity: total)
    buffer.initialize(repeating: 0, count: total)
    sequence = buffer
    states = sequence + sizes[0]
    delta = states + sizes[1]
    stateGradient = delta + sizes[2]
    scores = stateGradient + sizes[3]
  }

  deinit { buffer.deallocate() }

  /// Writes images, pixel by pixel from the top left, as the sequences of the next batch: values 0 to 1.
  mutating func load(_ images: ArraySlice<Int>, of data: DigitsDataset) {
    precondition(images.count <= largestBatch && shape.inputs * shape.steps == data.pixelsPerImage)
    let scale = 1 / Scalar(DigitsDataset.largestPixel)
    for (row, image) in images.enumerated() {
      for step in 0..<shape.steps {
        let target = input(step) + row * shape.inputs
        let source = image * data.pixelsPerImage + step * shape.inputs
        for i in 0..<shape.inputs { target[i] = Scalar(data.pixels[source + i]) * scale }
      }
    }
  }

  /// Runs the loaded sequences; returns the mean loss and how many labels had the largest score.
  ///
  /// With `gradient`, a flat vector with the layout of the parameters, it also writes dL/d(parameters) there.
  mutating func run(
    _ parameters: UnsafeBufferPointer<Scalar>, labels: ArraySlice<UInt8>,
    gradient: UnsafeMutableBufferPointer<Scalar>? = nil
  ) throws(MomentumError) -> (loss: Scalar, correct: Int) {
    let (batch, hidden, outputs) = (labels.count, shape.hidden, shape.outputs)
    precondition(batch > 0 && batch <= largestBatch)
    let weights = NetworkTensors(UnsafeMutableBufferPointer(mutating: parameters), shape)
    for step in 0..<shape.steps {
      let next = state(step + 1)
      broadcast(weights.hiddenBias, hidden, to: next, batch)
      let target = BLAS.MutableMatrix(next, rows: batch, columns: hidden)
      try BLAS.gemm(
        1, matrix(input(step), batch, shape.inputs), weights.input.readOnly.transposed, 1, into: target)
      if step > 0 {
        try BLAS.gemm(1, matrix(state(step), batch, hidden), weights.recurrent.readOnly.transposed, 1, into: target)
      }
      for i in 0..<batch * hidden { next[i] = Scalar.hyperbolicTangent(next[i]) }
    }
    broadcast(weights.outputBias, outputs, to: scores, batch)
    try BLAS.gemm(
      1, matrix(state(shape.steps), batch, hidden), weights.output.readOnly.transposed, 1,
      into: BLAS.MutableMatrix(scores, rows: batch, columns: outputs))
    let result = softmax(labels)
    if let gradient { try propagateBack(weights, batch: batch, into: NetworkTensors(gradient, shape)) }
    return result
  }

  /// Turns the scores into dL/d(scores) = (p − one-hot label) / batch.
  private func softmax(_ labels: ArraySlice<UInt8>) -> (loss: Scalar, correct: Int) {
    var loss: Scalar = 0
    var correct = 0
    let share = 1 / Scalar(labels.count)
    for (row, label) in labels.enumerated() {
      let p = UnsafeMutableBufferPointer(start: scores + row * shape.outputs, count: shape.outputs)
      var best = 0
      for i in 1..<p.count where p[i] > p[best] { best = i }
      if best == Int(label), p[best].isFinite { correct += 1 }
      // Relative to the largest score, no exponential overflows.
      let (largest, own) = (p[best], p[Int(label)])
      var sum: Scalar = 0
      for i in 0..<p.count {
        p[i] = Scalar.exponential(p[i] - largest)
        sum += p[i]
      }
      loss += Scalar.logarithm(sum) - (own - largest)
      for i in 0..<p.count { p[i] = p[i] / sum * share }
      p[Int(label)] -= share
    }
    return (loss * share, correct)
  }

  private func propagateBack(
    _ weights: NetworkTensors<Scalar>, batch: Int, into gradient: NetworkTensors<Scalar>
  ) throws(MomentumError) {
    let (hidden, outputs) = (shape.hidden, shape.outputs)
    let scoreGradient = matrix(scores, batch, outputs)
    try BLAS.gemm(1, scoreGradient.transposed, matrix(state(shape.steps), batch, hidden), 0, into: gradient.output)
    gradient.outputBias.update(repeating: 0, count: outputs)
    addRows(scores, batch, outputs, to: gradient.outputBias)
    gradient.hiddenBias.update(repeating: 0, count: hidden)
    let towardsState = BLAS.MutableMatrix(stateGradient, rows: batch, columns: hidden)
    try BLAS.gemm(1, scoreGradient, weights.output.readOnly, 0, into: towardsState)

    for step in stride(from: shape.steps - 1, through: 0, by: -1) {
      let h = state(step + 1)
      for i in 0..<batch * hidden { delta[i] = stateGradient[i] * (1 - h[i] * h[i]) }
      let d = matrix(delta, batch, hidden)
      // The last step is the first to arrive here: it overwrites, the others add.
      let keep: Scalar = step == shape.steps - 1 ? 0 : 1
      try BLAS.gemm(1, d.transposed, matrix(input(step), batch, shape.inputs), keep, into: gradient.input)
      try BLAS.gemm(1, d.transposed, matrix(state(step), batch, hidden), keep, into: gradient.recurrent)
      addRows(delta, batch, hidden, to: gradient.hiddenBias)
      if step > 0 { try BLAS.gemm(1, d, weights.recurrent.readOnly, 0, into: towardsState) }
    }
  }

  private func input(_ step: Int) -> UnsafeMutablePointer<Scalar> { sequence + step * largestBatch * shape.inputs }
  private func state(_ step: Int) -> UnsafeMutablePointer<Scalar> { states + step * largestBatch * shape.hidden }

  private func matrix(_ base: UnsafeMutablePointer<Scalar>, _ rows: Int, _ columns: Int) -> BLAS.Matrix<Scalar> {
    BLAS.Matrix(base, rows: rows, columns: columns)
  }

  private func broadcast(
    _ row: UnsafeMutablePointer<Scalar>, _ count: Int, to target: UnsafeMutablePointer<Scalar>, _ rows: Int
  ) {
    for i in 0..<rows { (target + i * count).update(from: row, count: count) }
  }

  private func addRows(
    _ source: UnsafeMutablePointer<Scalar>, _ rows: Int, _ count: Int, to target: UnsafeMutablePointer<Scalar>
  ) {
    for row in 0..<rows {
      for i in 0..<count { target[i] += source[row * count + i] }
    }
  }
}

/// The tensors of ``NetworkShape/layout()`` inside a flat vector.
private struct NetworkTensors<Scalar: NetworkScalar> {
  let input, recurrent, output: BLAS.MutableMatrix<Scalar>
  let hiddenBias, outputBias: UnsafeMutablePointer<Scalar>

  init(_ flat: UnsafeMutableBufferPointer<Scalar>, _ shape: NetworkShape) {
    let (inputs, hidden, outputs) = (shape.inputs, shape.hidden, shape.outputs)
    precondition(flat.count == hidden * (inputs + hidden + 1) + outputs * (hidden + 1))
    var next = flat.baseAddress!
    func take(_ count: Int) -> UnsafeMutablePointer<Scalar> {
      defer { next += count }
      return next
    }
    input = BLAS.MutableMatrix(take(hidden * inputs), rows: hidden, columns: inputs)
    recurrent = BLAS.MutableMatrix(take(hidden * hidden), rows: hidden, columns: hidden)
    hiddenBias = take(hidden)
    output = BLAS.MutableMatrix(take(outputs * hidden), rows: outputs, columns: hidden)
    outputBias = take(outputs)
  }
}
