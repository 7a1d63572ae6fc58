/// The rule by which the elements of a vector are drawn. Each element takes the same number of draws, so it can be made
/// without those before it, by any number of threads.
///
/// The formulas are those of `Tests/Fixtures/README.md`, in integers and exact products.
enum ElementRecipe: Hashable, Sendable {
  case constant(Double)
  /// Multiples of 2^(exponent - precision) in [0, 2^exponent).
  case uniform(exponent: Int)
  /// Multiples of 2^(exponent + 1 - precision) in [-2^exponent, 2^exponent).
  case signed(exponent: Int)
  /// The sum of 12 uniform numbers less 6, times 2^exponent: nearly normal.
  case normal(exponent: Int)
  /// Random sign and significand; the stored exponent field is uniform over a range.
  case bits(fields: ClosedRange<Int>)

  /// The number of draws for each element.
  var drawCount: Int {
    switch self {
    case .constant: 0
    case .uniform, .signed: 1
    case .bits: 2
    case .normal: 6
    }
  }

  /// Writes the elements `first..<first + buffer.count` of the vector that belongs to a seed.
  func fill<Scalar: ReferenceScalar>(_ buffer: UnsafeMutableBufferPointer<Scalar>, first: Int, seed: UInt64) {
    var draws = SplitMix64(seed: seed, skipping: first * drawCount)
    let precision = Scalar.precision
    func write(_ element: () -> Scalar) {
      for index in buffer.indices { buffer.initializeElement(at: index, to: element()) }
    }
    switch self {
    case .constant(let value):
      buffer.initialize(repeating: Scalar(value))
    case .uniform(let exponent):
      let unit = Scalar(sign: .plus, exponent: exponent - precision, significand: 1)
      write { Scalar(draws.next() >> UInt64(64 - precision)) * unit }
    case .signed(let exponent):
      let unit = Scalar(sign: .plus, exponent: exponent + 1 - precision, significand: 1)
      let half = Int64(1) << Int64(precision - 1)
      write { Scalar(Int64(draws.next() >> UInt64(64 - precision)) - half) * unit }
    case .normal(let exponent):
      let unit = Scalar(sign: .plus, exponent: exponent - 32, significand: 1)
      write {
        var total: Int64 = -6 << 32
        for _ in 0..<6 {
          let draw = draws.next()
          total += Int64(draw >> 32) + Int64(draw & 0xFFFF_FFFF)
        }
        return Scalar(total) * unit
      }
    case .bits(let fields):
      let (low, span) = (UInt64(fields.lowerBound), UInt64(fields.count))
      write {
        let (first, second) = (draws.next(), draws.next())
        let field = low + (first & UInt64.max >> 1) % span
        let fraction = second >> UInt64(65 - precision)
        let sign = (first >> 63) << UInt64(Scalar.byteCount * 8 - 1)
        return Scalar(rawBits: sign | field << UInt64(precision - 1) | fraction)
      }
    }
  }
}
