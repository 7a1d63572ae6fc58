import Momentum

/// The factors of one step of one tensor, from which the plain loop makes each element.
struct PlainFactors<Wide: WideNumber> {
  var momentum: Wide
  /// Factor of the gradient in the velocity; 0 for the old velocity of a first step.
  var entering: Wide
  var leaving: Wide
  /// lr.
  var rate: Wide
  var coupled: Wide
  var coupledRadius: Wide
  /// Whether decay is coupled.
  var decays: Bool
  var decoupled: Wide
  var sign: Wide
  var usesVelocity: Bool
  var isFirstStep: Bool
  var nesterov: Bool
  /// The gradient may have entered once without its coefficient, and then been corrected.
  var onePass: Wide
}

/// A number of the plain loop, with the sum of the magnitudes of its terms, to which rounding errors are proportional,
/// and with what is not known about it because it depends on a norm.
struct PlainNumber<Wide: WideNumber> {
  var value: Wide = 0
  var size: Wide = 0
  var radius: Wide = 0

  /// Adds a multiple of a number.
  @inline(__always)
  mutating func add(_ factor: Wide, _ number: PlainNumber) {
    value += factor * number.value
    size += factor.magnitude * number.size
    // Nothing is known of it, times 0 either.
    radius = number.radius == .infinity ? .infinity : radius + factor.magnitude * number.radius
  }

  /// The bounds of what a number can be that was made by some roundings, each in proportion to its size.
  func interval(_ bound: Wide, lost: Wide) -> (low: Wide, high: Wide) {
    let error = bound * size + radius + lost
    return (value - error, value + error)
  }
}

/// One element of velocity and parameters after a step.
struct PlainElement<Wide: WideNumber> {
  var velocity = PlainNumber<Wide>()
  var parameter = PlainNumber<Wide>()
  /// The gradient as it enters the velocity, with coupled decay.
  var gradient = PlainNumber<Wide>()
  var secondMoment = PlainNumber<Wide>()

  /// - Parameters:
  ///   - p: The parameter before.
  ///   - v: The velocity before.
  ///   - y: The gradient after clipping by value, with the factor of the loss scale.
  ///   - coefficient: What all clips and the rule multiply it by.
  @inline(__always)
  init(p: Wide, v: Wide, y: Wide, coefficient: Interval<Wide>, _ factors: PlainFactors<Wide>) {
    let clipped = y * coefficient.middle
    // Without decay the parameters are not looked at, so that a NaN in them stays out of the velocity.
    let decay = factors.decays ? factors.coupled * p : 0
    let g = factors.sign * clipped + decay
    var gSize = clipped.magnitude + decay.magnitude
    if factors.onePass > 0 { gSize += factors.onePass * y.magnitude }
    let gRadius = y.magnitude * coefficient.radius + (factors.decays ? p.magnitude * factors.coupledRadius : 0)
    gSize += gRadius

    parameter = PlainNumber(value: p, size: p.magnitude, radius: Wide(0))
    if factors.decoupled != 0 { parameter.add(-factors.decoupled, PlainNumber(value: p, size: p.magnitude)) }
    gradient = PlainNumber(value: g, size: gSize, radius: gRadius)
    guard factors.usesVelocity else {
      parameter.add(-factors.rate, gradient)
      return
    }
    let old = factors.isFirstStep ? 0 : factors.momentum * v
    velocity = PlainNumber(
      value: old + factors.entering * g, size: old.magnitude + factors.entering.magnitude * gSize,
      radius: factors.entering.magnitude * gRadius)
    if factors.nesterov {
      parameter.add(-factors.rate, gradient)
      parameter.add(factors.leaving * factors.momentum, velocity)
    } else {
      parameter.add(factors.leaving, velocity)
    }
  }
}
