import Foundation

/// An input vector by recipe, as `Tests/Fixtures/README.md` defines it, with the checksum of its bytes.
///
/// The other implementation is `Scripts/reference/inputs.py`. Both use integers and exact products, so they agree in
/// every bit; ``elements(as:)`` makes sure of it before a wrong input could pass for a wrong norm.
public struct ReferenceInput: Decodable, Hashable, Sendable {
  public enum Kind: String, Decodable, Sendable {
    case values, constant, uniform, signed, normal, bits, growing, sine
  }

  /// Element `index` becomes `value` after all others were made.
  public struct Replacement: Decodable, Hashable, Sendable {
    public var index: Int
    public var value: ReferenceNumber

    public init(from decoder: any Decoder) throws {
      var pair = try decoder.unkeyedContainer()
      index = try pair.decode(Int.self)
      value = try pair.decode(ReferenceNumber.self)
    }
  }

  public var kind: Kind
  public var count: Int
  /// The checksum of the vector, as ``FNV1a/text``.
  public var fnv1a: String
  public var seed: String?
  public var exponent: Int?
  public var exponents: [Int]?
  public var value: ReferenceNumber?
  public var values: [ReferenceNumber]?
  public var low: ReferenceNumber?
  public var high: ReferenceNumber?
  public var replace: [Replacement]?

  /// The vector.
  ///
  /// - Throws: ``ReferenceError/otherInput(recipe:found:expected:)`` if its checksum is not ``fnv1a``.
  /// - Complexity: O(count).
  public func elements<Scalar: ReferenceScalar>(as type: Scalar.Type = Scalar.self) throws(ReferenceError) -> [Scalar] {
    var result: [Scalar] = generate()
    for replacement in replace ?? [] where result.indices.contains(replacement.index) {
      result[replacement.index] = Scalar(replacement.value.double)
    }
    let found = FNV1a(elements: result).text
    guard found == fnv1a else {
      let recipe = "\(kind.rawValue), \(count) of \(Scalar.referenceName), seed \(seed ?? "none")"
      throw .otherInput(recipe: recipe, found: found, expected: fnv1a)
    }
    return result
  }

  private func generate<Scalar: ReferenceScalar>() -> [Scalar] {
    var draws = SplitMix64(seed: seed.flatMap { UInt64($0.dropFirst(2), radix: 16) } ?? 0)
    let precision = Scalar.precision
    switch kind {
    case .values:
      return (values ?? []).map { Scalar($0.double) }
    case .constant:
      return [Scalar](repeating: Scalar(value?.double ?? 0), count: count)
    case .uniform:
      let unit = power(Scalar.self, (exponent ?? 0) - precision)
      return (0..<count).map { _ in Scalar(draws.next() >> UInt64(64 - precision)) * unit }
    case .signed:
      let unit = power(Scalar.self, (exponent ?? 0) + 1 - precision)
      let half = Int64(1) << Int64(precision - 1)
      return (0..<count).map { _ in Scalar(Int64(draws.next() >> UInt64(64 - precision)) - half) * unit }
    case .normal:
      let unit = power(Scalar.self, (exponent ?? 0) - 32)
      return (0..<count).map { _ in
        var total: Int64 = -6 << 32
        for _ in 0..<6 {
          let draw = draws.next()
          total += Int64(draw >> 32) + Int64(draw & 0xFFFF_FFFF)
        }
        return Scalar(total) * unit
      }
    case .bits:
      return (0..<count).map { _ in bits(&draws) }
    case .growing:
      let low = Scalar(low?.double ?? 0)
      let slope = Scalar(high?.double ?? 0) - low
      return (0..<count).map { low + slope * Scalar($0) / Scalar(count) }
    case .sine:
      return (0..<count).map { Scalar(sin(2 * Double.pi * Double(Float(Double($0) / Double(count))))) }
    }
  }

  /// A number of random sign and significand whose stored exponent field lies in `exponents`.
  private func bits<Scalar: ReferenceScalar>(_ draws: inout SplitMix64) -> Scalar {
    let first = draws.next()
    let second = draws.next()
    let low = UInt64(exponents?.first ?? 0)
    let span = UInt64(exponents?.last ?? 0) - low + 1
    let field = low + (first & UInt64.max >> 1) % span
    let fraction = second >> UInt64(65 - Scalar.precision)
    let sign = (first >> 63) << UInt64(Scalar.byteCount * 8 - 1)
    return Scalar(rawBits: sign | field << UInt64(Scalar.precision - 1) | fraction)
  }

  private func power<Scalar: ReferenceScalar>(_ type: Scalar.Type, _ exponent: Int) -> Scalar {
    Scalar(sign: .plus, exponent: Scalar.Exponent(exponent), significand: 1)
  }
}
