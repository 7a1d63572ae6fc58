import Momentum

/// The number of lanes on which the BLAS kernel of this process adds the products of a dot product. The error bound of
/// a tile depends on it, and kernels differ (AVX2: 32 Floats, 16 Doubles; SSE: half as many).
///
/// The lanes are counted, not looked up: a large first element absorbs the elements that follow it in its lane, and no
/// others.
enum KernelLanes {
  static let float = count(Float.self)
  static let double = count(Double.self)

  static func of<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> Int { Scalar.precision == 24 ? float : double }

  private static func count<Scalar: ReferenceScalar>(_ type: Scalar.Type) -> Int {
    let count = Tile.count
    // 1 is at most half an ulp of the square, and the last digit of the square is even, so the sum rounds back to the
    // square.
    let large = Scalar(sign: .plus, exponent: (Scalar.precision + 1) / 2, significand: 1)
    guard var x = try? ParameterVector<Scalar>(ParameterLayout(count: count)) else { return 1 }
    x.fill(1)
    x[0] = large
    let sum = x.withUnsafeBufferPointer { buffer in
      let vector = BLAS.Vector(buffer.baseAddress, count: count)
      return (try? BLAS.dot(vector, vector)) ?? large * large
    }
    // Joining the lanes may round the sums of the other lanes by a few counts, far less than the factor of 2 between
    // kernels.
    let swallowed = max(count - Int(sum - large * large), 1)
    var lanes = 1
    while 3 * swallowed * lanes < 2 * count { lanes *= 2 }
    return lanes
  }
}
