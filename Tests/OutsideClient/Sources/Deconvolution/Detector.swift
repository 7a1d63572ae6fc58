import Momentum

/// A detector with an afterglow: sample i of its data is `Σ response[j] · signal[i - j]`.
struct Detector {
  /// What remains of a pulse sample by sample.
  let response: [Float]

  /// A response that decays exponentially and sums up to nearly 1.
  init(decay: Float, length: Int) {
    var weight = 1 - decay
    response = (0..<length).map { _ in
      defer { weight *= decay }
      return weight
    }
  }

  /// `data ← A · signal`: each delay is one axpy of the shifted signal.
  func record(
    _ signal: borrowing ParameterVector<Float>, into data: inout ParameterVector<Float>
  ) throws(MomentumError) {
    try addShifted(signal, to: &data) { delay in (0, delay) }
  }

  /// `signal ← Aᵀ · data`: the same shifts, back.
  func transpose(
    _ data: borrowing ParameterVector<Float>, into signal: inout ParameterVector<Float>
  ) throws(MomentumError) {
    try addShifted(data, to: &signal) { delay in (delay, 0) }
  }

  /// Sums up the response times x, of which each delay takes another part into another part of y.
  private func addShifted(
    _ x: borrowing ParameterVector<Float>, to y: inout ParameterVector<Float>,
    starts: (_ delay: Int) -> (x: Int, y: Int)
  ) throws(MomentumError) {
    y.fill(0)
    try x.withUnsafeBufferPointer { x throws(MomentumError) in
      try y.withUnsafeMutableBufferPointer { y throws(MomentumError) in
        for (delay, weight) in response.enumerated() {
          let start = starts(delay)
          let count = x.count - delay
          try BLAS.axpy(
            weight, BLAS.Vector(UnsafeBufferPointer(rebasing: x[start.x..<start.x + count])),
            into: BLAS.MutableVector(UnsafeMutableBufferPointer(rebasing: y[start.y..<start.y + count])))
        }
      }
    }
  }
}
