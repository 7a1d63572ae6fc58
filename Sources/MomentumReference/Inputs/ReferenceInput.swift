import Foundation

/// An input vector by recipe, as `Tests/Fixtures/README.md` defines it, with the checksum of its bytes.
///
/// The other implementation is `Scripts/reference/inputs.py`. Both use integers and exact products, so they agree in
/// every bit. ``elements(as:)`` checks this, so that a wrong input cannot look like a wrong norm.
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
    switch kind {
    case .values:
      return (values ?? []).map { Scalar($0.double) }
    case .constant:
      return elements(.constant(value?.double ?? 0))
    case .uniform:
      return elements(.uniform(exponent: exponent ?? 0))
    case .signed:
      return elements(.signed(exponent: exponent ?? 0))
    case .normal:
      return elements(.normal(exponent: exponent ?? 0))
    case .bits:
      let low = exponents?.first ?? 0
      return elements(.bits(fields: low...max(low, exponents?.last ?? 0)))
    case .growing:
      let low = Scalar(low?.double ?? 0)
      let slope = Scalar(high?.double ?? 0) - low
      return (0..<count).map { low + slope * Scalar($0) / Scalar(count) }
    case .sine:
      return (0..<count).map { Scalar(sin(2 * Double.pi * Double(Float(Double($0) / Double(count))))) }
    }
  }

  private func elements<Scalar: ReferenceScalar>(_ recipe: ElementRecipe) -> [Scalar] {
    let seed = seed.flatMap { UInt64($0.dropFirst(2), radix: 16) } ?? 0
    return [Scalar](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      recipe.fill(UnsafeMutableBufferPointer(rebasing: buffer[..<count]), first: 0, seed: seed)
      initializedCount = count
    }
  }
}
