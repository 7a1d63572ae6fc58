import Foundation

/// A type that the plain loop computes in, wider than that of the elements where there is one.
protocol WideNumber: BinaryFloatingPoint {
  static func power(_ base: Self, _ exponent: Self) -> Self
}

extension Double: WideNumber {
  static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}

#if arch(x86_64)
  extension Float80: WideNumber {
    static func power(_ base: Float80, _ exponent: Float80) -> Float80 { powl(base, exponent) }
  }
  /// The type that `Double`s are judged by.
  typealias Widest = Float80
#else
  /// The type that `Double`s are judged by: no wider one here, so squares of the largest are out of range, and such
  /// elements are not drawn.
  typealias Widest = Double
#endif

/// A number that is known up to a bound: what depends on a norm, which the engine may have rounded otherwise.
struct Interval<Wide: WideNumber> {
  var low: Wide
  var high: Wide

  init(_ low: Wide, _ high: Wide) { (self.low, self.high) = (low, high) }
  init(_ value: Wide) { self.init(value, value) }

  static var one: Interval { Interval(1) }

  var middle: Wide { low == high ? low : (low + high) / 2 }
  var radius: Wide { low == high ? 0 : (high - low) / 2 }
  var isNaN: Bool { low.isNaN || high.isNaN }

  /// The product of intervals that are not negative.
  static func * (x: Interval, y: Interval) -> Interval { Interval(x.low * y.low, x.high * y.high) }

  /// What a monotone function makes of the interval.
  func map(_ function: (Wide) -> Wide) -> Interval {
    let (x, y) = (function(low), function(high))
    if x.isNaN || y.isNaN { return Interval(.nan) }
    return Interval(min(x, y), max(x, y))
  }

  /// Whether a number lies inside, or a share of it outside. NaN lies only where there is NaN.
  func contains(_ x: Wide, slack: Wide) -> Bool {
    if x.isNaN || isNaN { return x.isNaN && isNaN }
    if x == low || x == high { return true }
    return x >= low - slack * low.magnitude && x <= high + slack * high.magnitude
  }
}
