/// A non-negative number known beyond any format: `(significand + tail)·2^exponent`, with an error below 2^-100.
public struct ExactValue: Decodable, Hashable, Sendable {
  public enum Class: String, Decodable, Sendable { case finite, zero, nan, inf }

  public var `class`: Class
  public var significand: ReferenceNumber?
  public var tail: ReferenceNumber?
  public var exponent: Int?
  /// The value rounded once to each format; infinite if it is beyond the format's range.
  public var double: ReferenceNumber
  public var float: ReferenceNumber

  /// The value rounded once to a scalar type, as a Double.
  public func rounded<Scalar: ReferenceScalar>(to type: Scalar.Type) -> Double {
    Scalar.precision == 24 ? float.double : double.double
  }

  /// The distance of `result` from this value, in ulps of `Scalar` at this value; 0 for the right NaN or infinity,
  /// infinite for a result of another class.
  ///
  /// An infinite result is also right if the value is finite but exceeds `Double`.
  public func error<Scalar: ReferenceScalar>(of result: Double, inUlpsOf type: Scalar.Type) -> Double {
    switch `class` {
    case .nan: return result.isNaN ? 0 : .infinity
    case .inf: return result == .infinity ? 0 : .infinity
    case .zero: return result == 0 ? 0 : .infinity
    case .finite:
      if double.double == .infinity, result == .infinity { return 0 }
      guard result.isFinite, let significand, let tail, let exponent else { return .infinity }
      // Near the value this difference is exact. The tail then adds the digits that Double cannot hold.
      let shift = result == 0 ? 0 : max(-128, min(128, Int(result.exponent) - exponent))
      let scaled = result.significand * Double(sign: .plus, exponent: shift, significand: 1)
      let distance = (result < 0 ? -scaled : scaled) - significand.double - tail.double
      let lowest = Int(Scalar.leastNonzeroMagnitude.exponent) - exponent
      return distance.magnitude / Double(sign: .plus, exponent: max(1 - Scalar.precision, lowest), significand: 1)
    }
  }
}
