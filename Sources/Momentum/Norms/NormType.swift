/// Which norm of the gradient is measured and compared: the p-norm of the concatenation of all elements.
public enum NormType: Sendable, Hashable {
  /// The sum of absolute values.
  case l1
  /// The Euclidean norm.
  case l2
  /// The largest absolute value.
  case infinity
  /// `(Σ|x|^p)^(1/p)` for a positive p; p = 0 counts the non-zero elements, for measuring only.
  ///
  /// Elements are divided by the largest of all tensors before their powers are summed. Smaller ones than 10^(-308/p) of it
  /// count as 0, also in the norm of a single tensor.
  case p(Double)

  /// The order of the norm as a number.
  public var order: Double {
    switch self {
    case .l1: 1
    case .l2: 2
    case .infinity: .infinity
    case .p(let p): p
    }
  }

  /// The norm of this order: 1, 2 and infinity become the cases of that name.
  ///
  /// - Throws: ``MomentumError/invalidSetting(name:value:expected:)`` unless the order is 0, positive or infinite.
  public init(order: Double) throws(MomentumError) {
    switch order {
    case 1: self = .l1
    case 2: self = .l2
    case .infinity: self = .infinity
    default: self = .p(order)
    }
    try validate(forClipping: false)
  }

  func validate(forClipping: Bool) throws(MomentumError) {
    guard case .p(let p) = self else { return }
    guard p > 0 || (p == 0 && !forClipping) else {
      throw .invalidSetting(
        name: "normType", value: "\(p)", expected: forClipping ? "a positive number or inf" : "a number >= 0 or inf")
    }
  }

  /// The same norm under the simplest case, so that `.p(2)` takes the fast path of `.l2`.
  var simplified: NormType {
    switch self {
    case .p(1): .l1
    case .p(2): .l2
    case .p(.infinity): .infinity
    default: self
    }
  }
}

extension NormType: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let order = try? container.decode(Double.self) {
      try self.init(order: order)
    } else {
      let text = try container.decode(String.self)
      guard text == "inf" else {
        throw MomentumError.invalidSetting(name: "normType", value: text, expected: "a number >= 0 or \"inf\"")
      }
      self = .infinity
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if order.isInfinite { try container.encode("inf") } else { try container.encode(order) }
  }
}

/// How the sum of squares of a tile is formed.
public enum NormAlgorithm: String, Sendable, Hashable, Codable, CaseIterable {
  /// One BLAS dot product a tile: the speed of memory. The bits depend on the processor family's BLAS kernel.
  case blas
  /// Squares in `Double` on 32 fixed lanes (`Float`), exact squares (`Double`): the norm is off by at most 36 (`Float`) or
  /// 1.5 (`Double`) units of roundoff of `Double`, and has the same bits on every processor. Takes about 4 times (`Float`) to 60
  /// times (`Double`) as long in cache.
  case portable
}
