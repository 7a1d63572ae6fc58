internal import Foundation

/// A type that results of `Float` or `Double` arithmetic can be judged by.
public protocol WideFloat: BinaryFloatingPoint {
  static func power(_ base: Self, _ exponent: Self) -> Self
}

extension Double: WideFloat {
  public static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
}

#if arch(x86_64)
  extension Float80: WideFloat {
    public static func power(_ base: Float80, _ exponent: Float80) -> Float80 { powl(base, exponent) }
  }
  /// The widest type at hand, for judging `Double`.
  public typealias Widest = Float80
#else
  /// The widest type at hand, for judging `Double`: no wider here, so bounds must leave room for its own errors.
  public typealias Widest = Double
#endif

/// Norms by their definition, one element after the other.
public enum ReferenceNorm {
  /// The norm of some order; 0 counts the elements that are not zero.
  ///
  /// NaN if an element is NaN, else infinite if one is.
  public static func norm<Wide: WideFloat>(_ x: [Wide], order: Double) -> Wide {
    if x.contains(where: \.isNaN) { return .nan }
    if x.contains(where: \.isInfinite) { return .infinity }
    if order == 0 { return Wide(x.count { $0 != 0 }) }
    let largest = x.reduce(0) { max($0, $1.magnitude) }
    if order == .infinity || largest == 0 { return largest }
    // Divided by the power of two below the largest: exact but for elements too small to matter.
    let scale = Wide(sign: .plus, exponent: largest.exponent, significand: 1)
    var (sum, lost): (Wide, Wide) = (0, 0)
    for element in x {
      let magnitude = element.magnitude / scale
      let term = order == 1 ? magnitude : order == 2 ? magnitude * magnitude : Wide.power(magnitude, Wide(order))
      // Compensated (Neumaier): the reference's own error stays below one unit of its last place.
      let next = sum + term
      lost += sum >= term ? (sum - next) + term : (term - next) + sum
      sum = next
    }
    let total = sum + lost
    let root = order == 1 ? total : order == 2 ? total.squareRoot() : Wide.power(total, 1 / Wide(order))
    return root * scale
  }
}
