/// The limit is a percentile of the past norms (Seetharaman, Wichern, Pardo and Le Roux, arXiv:2007.14469).
///
/// The norm enters the history, then the limit is the q-th percentile of the history, interpolated between neighbours
/// as `numpy.percentile` does: with the n norms in order, `h = (n - 1)·q/100`,
///
///     C = x[⌊h⌋] + (h - ⌊h⌋)·(x[⌊h⌋ + 1] - x[⌊h⌋])
///
/// so the first step is limited to its own norm. The paper keeps the norms of the whole run; this history keeps the
/// last ``window`` norms. If enough norms in it are 0, the limit is 0, and the gradient of the step counts as 0.
///
/// A norm that is not finite leaves the history as it is. The decision is then the limit of that history, or
/// ``AdaptiveLimit/Decision/none`` if it is empty.
///
/// - Complexity: A step moves up to 16 bytes for each norm in the window.
public struct AutoClip: Sendable {
  /// q, in 0...100.
  public let percentile: Double
  /// The largest number of norms in the history.
  public var window: Int { history.capacity }
  /// The norms in the history, oldest first.
  public var norms: [Double] { history.norms }

  private var history: NormWindow
  /// The same norms in ascending order.
  private var sorted: [Double] = []

  /// An empty history.
  ///
  /// - Parameters:
  ///   - percentile: q, in 0...100. The paper finds 10 best.
  ///   - window: The number of norms to keep, in 1...2²⁰. The default is that of the authors' TensorFlow version.
  /// - Throws: ``MomentumError/invalidSetting(_:)``.
  public init(percentile: Double = 10, window: Int = 10_000) throws(MomentumError) {
    guard percentile >= 0, percentile <= 100 else {
      throw .invalidSetting(name: "percentile", value: percentile, expected: .between(0, 100))
    }
    try NormWindow.check(capacity: window, least: 1)
    self.percentile = percentile
    history = NormWindow(capacity: window)
  }

  /// The same settings with an empty history.
  public var withoutHistory: AutoClip {
    var fresh = self
    (fresh.history, fresh.sorted) = (NormWindow(capacity: window), [])
    return fresh
  }

  /// See ``AdaptiveLimit/decide(norm:)``.
  public mutating func decide(norm: Double) -> AdaptiveLimit.Decision {
    if NormWindow.accepts(norm) {
      if let oldest = history.append(norm) { sorted.remove(at: position(of: oldest)) }
      sorted.insert(norm, at: position(of: norm))
    }
    return limit.map { .limit($0) } ?? .none
  }

  /// The percentile of the history, `nil` if it is empty.
  public var limit: Double? {
    guard let last = sorted.indices.last else { return nil }
    let rank = Double(last) * (percentile / 100)
    let below = min(Int(rank.rounded(.down)), last)
    let (low, high) = (sorted[below], sorted[min(below + 1, last)])
    let share = rank - Double(below)
    // Interpolated from the nearer neighbour, as numpy does.
    return share >= 0.5 ? high - (high - low) * (1 - share) : low + (high - low) * share
  }

  /// The first position in ``sorted`` whose norm is at least `norm`.
  private func position(of norm: Double) -> Int {
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < norm { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension AutoClip: Hashable {
  public static func == (a: AutoClip, b: AutoClip) -> Bool {
    a.percentile == b.percentile && a.history == b.history
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(percentile)
    hasher.combine(history)
  }
}

extension AutoClip: Codable {
  public init(from decoder: any Decoder) throws {
    let object = try StrictObject(decoder, keys: ["percentile", "window", "norms"])
    let percentile: Double = try object.optional("percentile") ?? 10
    let window: Int = try object.optional("window") ?? 10_000
    let norms: [Double] = try object.optional("norms") ?? []
    self = try object.checked { () throws(MomentumError) in try AutoClip(percentile: percentile, window: window) }
    try object.checked { () throws(MomentumError) in try history.restore(norms) }
    sorted = norms.sorted()
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: NameKey.self)
    try container.encode(percentile, forKey: NameKey("percentile"))
    try container.encode(window, forKey: NameKey("window"))
    try container.encode(norms, forKey: NameKey("norms"))
  }
}
