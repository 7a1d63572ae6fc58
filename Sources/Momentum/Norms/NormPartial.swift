/// Part of a norm: the measurement of some tensors, ready to be merged with those of the others.
///
/// Partials of tensors, of shards that were cut between tiles (at multiples of ``Tile/count``), or of MPI ranks merge
/// to the same bits in any order and grouping, because the sums inside are exact integers. The norm is rounded once,
/// when it is asked for.
///
/// ```swift
/// var total = try NormPartial(of: first)
/// total.merge(try NormPartial(of: second))
/// let norm = total.norm
/// ```
///
/// To send a partial, use ``words``. The words of the merged partial are the sums, element by element, of the words of
/// the parts (`MPI_SUM` on 64-bit integers). For ``NormType/infinity`` merge with ``merge(_:)`` instead.
public struct NormPartial: Sendable {
  /// The norm this is a part of: ``NormType/l1``, ``NormType/l2`` or ``NormType/infinity``.
  public let type: NormType
  /// The number of NaN elements so far.
  public private(set) var nanCount = 0
  /// The number of infinite elements so far.
  public private(set) var infinityCount = 0
  private var sum = ExactSum()
  private var maximum = 0.0
  /// The divisor of tiles, or of the norms of tensors, before their powers were summed; see ``TileSum/scale``.
  private var divisor = ScaledDouble(1)

  /// A partial of no elements at all.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for other types: their sums need the largest element first.
  public init(_ type: NormType = .l2) throws(MomentumError) {
    try BLASTraits.checkCounts()
    switch type.form {
    case .l1, .l2, .infinity: self.init(unchecked: type)
    case .nonZeros, .p:
      throw .invalidSetting(
        name: "normType", value: type.order, expected: .words("1, 2 or inf for a partial norm"))
    }
  }

  /// For the engine, which uses partials also for sums of powers.
  ///
  /// - Parameter divisor: The scale of the powers of a general p, at least that of each tile, 0 where all are zeros; other norms
  ///   have none.
  @inline(__always)
  init(unchecked type: NormType, divisor: Double = 1) {
    self.type = type
    if case .p = type.form, divisor > 0 { self.divisor = ScaledDouble(divisor) }
  }

  /// For elements whose largest is known.
  init(unchecked type: NormType, largest: Double) {
    self.init(unchecked: type)
    if case .p(let p) = type.form { self.init(unchecked: type, divisor: TileSum.scale(largest, p)) }
  }

  /// The norm of tensors of known norms on the scale of the largest of them, where none is too small to count.
  ///
  /// - Parameter largest: Positive and finite.
  init(unchecked type: NormType, of norms: [ScaledDouble], largest: ScaledDouble) {
    (self.type, divisor) = (type, largest)
    for norm in norms { add(norm: norm) }
  }

  /// The norm of finite elements whose sum is known, for other types than the maximum.
  @inline(__always)
  init(unchecked type: NormType, divisor: Double, finiteSum: Double) {
    self.init(unchecked: type, divisor: divisor)
    sum = ExactSum(finiteSum)
  }

  @inline(__always)
  mutating func add(_ tile: TileSum) {
    switch type.form {
    case .infinity: maximum = max(maximum, tile.value)
    case .p(let p):
      let powers = tile.powers(p, on: divisor)
      sum.add(powers.significand, exponent: powers.exponent)
    case .l1, .l2, .nonZeros:
      sum.add(tile.value, exponent: Int(tile.exponent))
      if tile.rest > 0 { sum.add(tile.rest, exponent: Int(tile.exponent)) }
    }
    nanCount &+= Int(tile.nan)
    infinityCount &+= Int(tile.infinity)
  }

  /// Adds a tile of finite elements to a norm other than the maximum, which is the usual case.
  @inline(__always)
  mutating func add(finiteSum value: Double) { sum.add(value) }

  /// The number of tiles that the fast path adds at once. It is small, so that a tile that rules out the fast path does
  /// so for few others.
  static let chunk = RoundedSum.most

  mutating func add(_ tiles: UnsafeBufferPointer<TileSum>) {
    guard type != .infinity else { return tiles.forEach { add($0) } }
    for start in stride(from: 0, to: tiles.count, by: Self.chunk) {
      let some = UnsafeBufferPointer(rebasing: tiles[start..<min(start + Self.chunk, tiles.count)])
      if let sum = TileSum.plainSum(some) { self.sum.add(sum) } else { some.forEach { add($0) } }
    }
  }

  /// Whether what was added is so small that digits, or whole numbers, may have been lost: of the norms of clipped tensors,
  /// which have a wider range than elements.
  ///
  /// - Parameter finiteOnly: Whether elements that are not finite are left out; otherwise no digit of theirs counts.
  func hasVanishingSum(finiteOnly: Bool) -> Bool {
    guard finiteOnly || nanCount &+ infinityCount == 0 else { return false }
    // A maximum is kept as a Double, and a sum of numbers or squares in limbs, which hold all 53 digits of what is 2⁶⁰ times
    // their lowest bit.
    return switch type.form {
    case .infinity: maximum < .leastNormalMagnitude
    case .l1, .l2: sum.rounded() < ScaledDouble(1, exponent: ExactSum.lowestExponent + 60)
    case .p: sum.rounded() < ScaledDouble(1, exponent: -900)
    case .nonZeros: false
    }
  }

  /// Adds a tensor whose norm is known.
  mutating func add(norm: ScaledDouble) {
    let norm = divisor == ScaledDouble(1) ? norm : norm / divisor
    let term: ScaledDouble
    switch type.form {
    case .infinity:
      if norm.significand.isFinite { maximum = max(maximum, norm.double) }
      term = norm.significand.isFinite ? ScaledDouble(0) : norm
    case .l2: term = norm * norm
    case .l1, .nonZeros: term = norm
    case .p(let p): term = norm.power(p)
    }
    if term.significand.isFinite {
      sum.add(term.significand, exponent: term.exponent)
    } else if term.significand.isNaN {
      nanCount += 1
    } else {
      infinityCount += 1
    }
  }

  /// Whether another is a part of the same norm, on the same scale.
  func isMergeable(with other: NormPartial) -> Bool { type == other.type && divisor == other.divisor }

  /// What must be equal for two partials to be mergeable, as words.
  var kind: [UInt64] {
    [type.order.bitPattern, divisor.significand.bitPattern, UInt64(bitPattern: Int64(divisor.exponent))]
  }

  /// Takes in another part of the same norm.
  ///
  /// - Precondition: `other.type == type`.
  public mutating func merge(_ other: NormPartial) {
    precondition(other.type == type, "partial norms of types \(type) and \(other.type) cannot be merged")
    sum.add(other.sum)
    maximum = max(maximum, other.maximum)
    nanCount += other.nanCount
    infinityCount += other.infinityCount
  }

  /// The norm of the finite elements alone, in a range that cannot overflow.
  var finiteNorm: ScaledDouble {
    let scaled =
      switch type.form {
      case .l1, .nonZeros: sum.rounded()
      case .l2: sum.rounded().squareRoot()
      case .infinity: ScaledDouble(maximum)
      case .p(let p): sum.rounded().power(1 / p)
      }
    return scaled * divisor
  }

  /// The norm, in a range that cannot overflow: NaN if an element is NaN, else infinite if one is infinite.
  public var scaledNorm: ScaledDouble { MeasuredNorm(self).value(finiteOnly: false) }

  /// The norm as a `Double`: NaN if an element is NaN, else infinite if one is infinite or if the norm exceeds
  /// `Double`.
  public var norm: Double { scaledNorm.double }
}

extension NormPartial: Hashable {
  public static func == (x: NormPartial, y: NormPartial) -> Bool { x.type == y.type && x.words == y.words }
  public func hash(into hasher: inout Hasher) { hasher.combine(words) }
}

// MARK: - Sending and storing

extension NormPartial {
  /// The number of ``words`` of a partial.
  public static let wordCount = ExactSum.limbCount + 3

  /// The whole content as integers, in a canonical form: equal partials have equal words.
  public var words: [UInt64] {
    sum.words + [UInt64(nanCount), UInt64(infinityCount), maximum.bitPattern]
  }

  /// Restores a partial from its words, or from sums of the words of several partials.
  ///
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)`` or ``MomentumError/invalidSetting(_:)``
  ///   if the words are not those of a partial.
  public init(_ type: NormType, words: some Collection<UInt64>) throws(MomentumError) {
    try self.init(unchecked: NormPartial(type), words: Array(words))
  }

  /// Restores a partial of the type and on the scale of another.
  init(unchecked other: NormPartial, words: [UInt64]) throws(MomentumError) {
    guard words.count == Self.wordCount else {
      throw .countMismatch(what: "words", count: words.count, expected: Self.wordCount)
    }
    self.init(unchecked: other.type)
    divisor = other.divisor
    let limbs = ExactSum.limbCount
    guard let sum = ExactSum(words: words[..<limbs]), let nan = Int(exactly: words[limbs]),
      let infinity = Int(exactly: words[limbs + 1]), max(nan, infinity) <= CountRange.largest,
      case let maximum = Double(bitPattern: words[limbs + 2]),
      maximum >= 0, maximum.isFinite
    else {
      throw .invalidSetting(name: "words", value: "not those of a partial norm", expected: "the words of partial norms")
    }
    (self.sum, nanCount, infinityCount, self.maximum) = (sum, nan, infinity, maximum)
  }
}

extension NormPartial: Codable {
  private enum CodingKeys: String, CodingKey { case type, words }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      container.decode(NormType.self, forKey: .type), words: container.decode([UInt64].self, forKey: .words))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(type, forKey: .type)
    try container.encode(words, forKey: .words)
  }
}
