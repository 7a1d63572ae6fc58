import Momentum

/// On how many lanes the BLAS kernel of this process adds the products of a dot product: the error bound of a tile depends
/// on it, and kernels differ (AVX2: 32 Floats, 16 Doubles; SSE: half as many).
///
/// Counted, not looked up: a large first element swallows the ones that follow it in its lane, and only those.
enum KernelLanes {
  static let float = count(Float.self)
  static let double = count(Double.self)

  static func of<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> Int { Scalar.precision == 24 ? float : double }

  private static func count<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> Int {
    let count = Tile.count
    // 1 is at most half a unit in the last place of the square, which is even: the sum rounds back to it.
    let large = Scalar(sign: .plus, exponent: (Scalar.precision + 1) / 2, significand: 1)
    guard var x = try? ParameterVector<Scalar>(ParameterLayout(count: count)) else { return 1 }
    x.fill(1)
    x[0] = large
    let sum = x.withUnsafeBufferPointer { buffer in
      let vector = BLAS.Vector(buffer.baseAddress, count: count)
      return (try? BLAS.dot(vector, vector)) ?? large * large
    }
    // Joining the lanes may round the others' sums by some units, far less than the factor of 2 between kernels.
    let swallowed = max(count - Int(sum - large * large), 1)
    var lanes = 1
    while 3 * swallowed * lanes < 2 * count { lanes *= 2 }
    return lanes
  }
}
