import Momentum

/// Norms by their definition, one element after the other.
///
/// Sums run in three levels of 64, so that at most about 200 additions follow one another: their rounding errors stay
/// far below the bound of the engine, which has up to 2048 in a row.
struct PlainNorm<Wide: WideNumber> {
  let order: Double
  /// The largest magnitude of the finite elements.
  private(set) var largest: Wide = 0
  private var nans = 0
  private var infinities = 0
  private var (low, middle, high): (Wide, Wide, Wide) = (0, 0, 0)
  private var count = 0

  init(_ order: Double) { self.order = order }

  @inline(__always)
  mutating func add(_ x: Wide) {
    let magnitude = x.magnitude
    guard magnitude.isFinite else {
      if x.isNaN { nans += 1 } else { infinities += 1 }
      return
    }
    count += 1
    if magnitude > largest { largest = magnitude }
    low += term(magnitude)
    guard count & 63 == 0 else { return }
    (middle, low) = (middle + low, 0)
    guard count & 4095 == 0 else { return }
    (high, middle) = (high + middle, 0)
  }

  @inline(__always)
  private func term(_ magnitude: Wide) -> Wide {
    if order == 2 { return magnitude * magnitude }
    if order == 1 { return magnitude }
    if order == .infinity || magnitude == 0 { return 0 }
    if order == 0 { return 1 }
    return order == 3 ? magnitude * magnitude * magnitude : Wide.power(magnitude, Wide(order))
  }

  /// NaN if an element was, else infinite if one was.
  var value: Wide {
    if nans > 0 { return .nan }
    if infinities > 0 { return .infinity }
    if order == .infinity { return largest }
    return root(high + middle + low)
  }

  private func root(_ sum: Wide) -> Wide {
    if sum == 0 || order == 1 || order == 0 { return sum }
    return order == 2 ? sum.squareRoot() : Wide.power(sum, 1 / Wide(order))
  }

  /// The norm of a concatenation, from the norms of its parts.
  static func total(_ norms: some Sequence<Wide>, _ order: Double) -> Wide {
    var sum = PlainNorm(order == 0 ? 1 : order)
    for norm in norms { sum.add(norm) }
    return sum.value
  }
}

extension PlainNorm {
  /// What the engine's norm may be when the true norm is this.
  ///
  /// For orders other than 1, 2 and infinity the engine divides by the largest element of all tensors before any clip,
  /// and what is far below that may count as 0.
  static func interval(_ norm: Wide, _ order: Double, largest: Wide, _ bounds: Bounds<Wide>) -> Interval<Wide> {
    guard norm.isFinite, norm > 0 else { return Interval(norm) }
    let error = bounds.norm(order)
    return vanishing(Interval(norm * (1 - error), norm * (1 + error)), order, largest: largest)
  }

  /// The interval of a norm that the engine may have lost beside the largest element.
  static func vanishing(_ norm: Interval<Wide>, _ order: Double, largest: Wide) -> Interval<Wide> {
    guard order != 0, order != 1, order != 2, order != .infinity, norm.high.isFinite else { return norm }
    let least = largest * Wide.power(10, Wide(-280 / max(1, order)))
    // A quotient that is subnormal may also be rounded up, to at most twice its value.
    return norm.low < least ? Interval(0, 2 * norm.high) : norm
  }
}
