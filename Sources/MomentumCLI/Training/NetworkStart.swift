import Momentum
import MomentumLAPACK

extension NetworkShape {
  /// The first parameters of a run, as Doubles: a function of the seed alone.
  ///
  /// The recurrent weights are a random rotation times `gain`. A gain of 1 keeps the length of a state at first; a gain
  /// above 1 makes gradients grow with every step they travel back. The other weights are normal numbers of variance
  /// 1 / inputs of the layer; biases are 0.
  func start(seed: UInt64, gain: Double) throws(MomentumError) -> [Double] {
    var generator = RandomStream(seed, 0x57A7)
    var parameters: [Double] = []
    func normals(_ count: Int, scale: Double) -> [Double] { (0..<count).map { _ in generator.normal() * scale } }
    parameters += normals(hidden * inputs, scale: 1 / Double(inputs).squareRoot())
    var rotation = normals(hidden * hidden, scale: 1)
    try rotation.withUnsafeMutableBufferPointer { buffer throws(MomentumError) in
      try LAPACK.orthonormalize(BLAS.MutableMatrix(buffer.baseAddress, rows: hidden, columns: hidden))
    }
    parameters += rotation.map { $0 * gain }
    parameters += [Double](repeating: 0, count: hidden)
    parameters += normals(outputs * hidden, scale: 1 / Double(hidden).squareRoot())
    parameters += [Double](repeating: 0, count: outputs)
    return parameters
  }
}
