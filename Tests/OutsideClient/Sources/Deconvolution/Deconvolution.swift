import Momentum

/// Finds a signal of 10⁶ samples from what a detector recorded of it: descends on `½ · ‖A · signal - data‖²`.
@main
struct Deconvolution {
  static func main() throws {
    let layout = try ParameterLayout([("signal", [1_000_000])])
    let detector = Detector(decay: 0.6, length: 16)

    // The signal to be found, a pulse now and then, and its record.
    var truth = try ParameterVector<Float>(layout)
    for index in stride(from: 0, to: truth.count, by: 50) { truth[index] = Float(index % 977) / 977 }
    var data = try ParameterVector<Float>(layout)
    try detector.record(truth, into: &data)

    // The squares of A's singular values lie between 1/16 and 1, for which these are the best settings of heavy-ball
    // momentum. Far from the solution the gradient is long, and the limit keeps the first steps short.
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 2.56, momentum: 0.36), clipping: .byGlobalNorm(2))
    var signal = try ParameterVector<Float>(layout)
    var residual = try ParameterVector<Float>(layout)
    var gradient = try ParameterVector<Float>(layout)
    var clippedSteps = 0
    for _ in 0..<60 {
      try subtract(data, from: detector, of: signal, into: &residual)
      try detector.transpose(residual, into: &gradient)
      let report = try optimizer.step(&signal, gradients: gradient)
      if report.clipCoefficient < 1 { clippedSteps += 1 }
    }

    try subtract(data, from: detector, of: signal, into: &residual)
    let (left, all) = (try Gradients.norm(of: residual).norm, try Gradients.norm(of: data).norm)
    print("relative residual \(left / all) after \(optimizer.stepCount) steps, \(clippedSteps) of them clipped")
  }

  /// `residual ← A · signal - data`.
  private static func subtract(
    _ data: borrowing ParameterVector<Float>, from detector: Detector, of signal: borrowing ParameterVector<Float>,
    into residual: inout ParameterVector<Float>
  ) throws(MomentumError) {
    try detector.record(signal, into: &residual)
    var difference = residual.mutableSpan
    try BLAS.axpy(-1, data.span, into: &difference)
  }
}
