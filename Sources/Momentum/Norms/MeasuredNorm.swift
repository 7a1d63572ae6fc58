/// The norm of some tensors, and the numbers of elements that were left out of it.
struct MeasuredNorm {
  /// The norm of the finite elements.
  let finite: ScaledDouble
  var nanCount = 0
  var infinityCount = 0

  init(finite: ScaledDouble) { self.finite = finite }

  init(_ partial: NormPartial) {
    (finite, nanCount, infinityCount) = (partial.finiteNorm, partial.nanCount, partial.infinityCount)
  }

  /// The norm of the finite elements, or of all: NaN if an element is NaN, else infinite if one is infinite.
  func value(finiteOnly: Bool) -> ScaledDouble {
    if finiteOnly || nanCount &+ infinityCount == 0 { return finite }
    return ScaledDouble(nanCount > 0 ? .nan : .infinity)
  }
}
