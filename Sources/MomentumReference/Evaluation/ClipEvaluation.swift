extension ReferenceFixtures {
  /// Compares clipping with the exact results: elements, norms, coefficient and counts, a row for each of these and for
  /// each scalar.
  ///
  /// - Throws: The errors of the subject.
  public func evaluateClips(of subject: some ClipSubject) throws -> [ReferenceRow] {
    try evaluateClips(Float.self, subject) + evaluateClips(Double.self, subject)
  }

  private func evaluateClips<Scalar: ReferenceScalar>(
    _ type: Scalar.Type, _ subject: some ClipSubject
  ) throws -> [ReferenceRow] {
    let scalar = Scalar.referenceName
    var elements = Tally("clip, elements", scalar, reason: "the norm's bound + 1 rounding for each norm clip, + 1 ulp")
    var untouched = Tally("clip, untouched elements", scalar, reason: "a coefficient of 1 writes nothing")
    var norms = Tally("clip, reported norms", scalar, reason: "the norm's bound, + 2 roundings after a norm clip")
    var coefficients = Tally("clip, coefficient", scalar, reason: "the norm's bound + 4 roundings in Double")
    var counts = Tally("clip, counts", scalar, reason: "exact")

    for test in clips where test.scalar == scalar {
      let before = test.tensors.map { $0.map { Scalar($0.double) } }
      let name = "\(test.convention): \(test.name)"
      let got = try subject.clip(before, as: test)
      let want = test.expected
      let bound = ErrorBound.norm(order: test.clipping.normType, type)
      let k = bound.unitRoundoffs(before.reduce(0) { $0 + $1.count })
      let stages = Double([test.clipping.norm, test.clipping.globalNorm].count { $0 != nil })

      for (tensor, factor) in want.tensorCoefficients.enumerated() {
        // By its formula, Keras's coefficient for a norm below the limit may be one ulp less than 1.
        let identity = factor.double == 1 && want.coefficient.double == 1 && test.convention != "keras"
        for (index, expected) in want.tensors[tensor].enumerated() {
          let result = got.tensors[tensor][index]
          if identity, want.valueClippedCount == 0 {
            untouched.add(equal: result.rawBits == before[tensor][index].rawBits, case: name)
          } else {
            let allowed = 1 + stages * (k + 1) * Scalar(expected.double).significandOrOne / 2
            elements.add(error: Self.ulps(Double(result), expected.double, type), allowed: allowed, case: name)
          }
        }
      }
      for (result, exact, extra) in [(got.totalNorm, want.totalNorm, 0.0), (got.comparedNorm, want.comparedNorm, 1.0)] {
        let more = test.clipping.norm == nil ? 0 : extra * (k + 2)
        norms.add(
          error: exact.error(of: result, inUlpsOf: type), allowed: (k + more) * (exact.significand?.double ?? 1) / 2,
          case: name)
      }
      let inDouble = Scalar.precision == 53 ? 4 : 4 * 0x1p-29
      coefficients.add(
        error: Self.ulps(got.coefficient, want.coefficient.double, type, unbounded: true),
        allowed: test.clipping.globalNorm == nil ? 0 : stages * (k + inDouble), case: name)
      counts.add(
        equal: [got.valueClippedCount, got.nanCount, got.infinityCount] == [
          want.valueClippedCount, want.nanCount, want.infinityCount,
        ], case: name)
    }
    return [elements, untouched, norms, coefficients, counts].map(\.row)
  }

  /// The distance in ulps of `Scalar` at `expected`; 0 for the same class of NaN or infinity.
  ///
  /// - Parameter unbounded: Whether to measure with the precision of `Scalar` but the range of `Double`, as
  ///   coefficients need.
  static func ulps<Scalar: ReferenceScalar>(
    _ result: Double, _ expected: Double, _ type: Scalar.Type, unbounded: Bool = false
  ) -> Double {
    if expected.isNaN { return result.isNaN ? 0 : .infinity }
    if result == expected { return 0 }
    guard result.isFinite, expected.isFinite, expected != 0 else { return .infinity }
    let lowest = unbounded ? Double.leastNonzeroMagnitude : Double(Scalar.leastNonzeroMagnitude)
    let unit = Double(sign: .plus, exponent: Int(expected.exponent) + 1 - Scalar.precision, significand: 1)
    return (result - expected).magnitude / max(unit, lowest)
  }
}

extension ErrorBound {
  /// The bound of a norm of any order, in multiples of u of the scalar.
  static func norm<Scalar: ReferenceScalar>(order: String, _ type: Scalar.Type) -> ErrorBound {
    if order == "2" { return fastNorm(type) }
    let bound: ErrorBound =
      switch order {
      case "1": sumInDouble
      case "inf": maximum
      default: power(Double(order) ?? .nan)
      }
    let unit = Scalar.precision == 53 ? 1 : 0x1p-29
    return ErrorBound(bound.reason) { bound.unitRoundoffs($0) * unit }
  }
}

extension BinaryFloatingPoint {
  /// The significand, in [1, 2) for ordinary numbers; 1 for zero, NaN and infinity.
  var significandOrOne: Double { isFinite && self != 0 ? Double(significand) : 1 }
}
