/// The norm of the gradient that is measured and compared: the p-norm of the concatenation of all elements.
///
/// ```swift
/// let euclidean = NormType.p(2)  // the same as .l2
/// ```
public struct NormType: Sendable, Hashable {
  /// The order p: 1, 2, infinite, or any other number.
  public let order: Double

  @inline(__always)
  private init(unchecked order: Double) { self.order = order }

  /// The norm of this order.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` unless the order is 0, positive or infinite.
  public init(order: Double) throws(MomentumError) {
    self.init(unchecked: order)
    try validate(forClipping: false)
  }

  /// The sum of absolute values.
  public static var l1: NormType { NormType(unchecked: 1) }
  /// The Euclidean norm.
  public static var l2: NormType { NormType(unchecked: 2) }
  /// The largest absolute value.
  public static var infinity: NormType { NormType(unchecked: .infinity) }

  /// `(Σ|x|^p)^(1/p)` for a positive p; p = 0 counts the non-zero elements, for measuring only. The order is checked by
  /// the call that measures or clips.
  ///
  /// For orders other than 1, 2 and infinity, the elements of each tile (``Tile/count``) are divided by a power of two near the
  /// largest of them before their powers are summed, above p = 512 by the largest itself: no power overflows, and none is
  /// lost that the norm of its tensor could show.
  public static func p(_ order: Double) -> NormType { NormType(unchecked: order) }

  func validate(forClipping: Bool) throws(MomentumError) {
    guard order > 0 || (order == 0 && !forClipping) else {
      throw .invalidSetting(
        name: "normType", value: order,
        expected: .words(forClipping ? "a positive number or inf" : "a number >= 0 or inf"))
    }
  }
}

extension NormType {
  /// The kinds of norms that are computed differently.
  enum Form {
    case l1, l2, infinity
    /// The number of elements that are not 0.
    case nonZeros
    case p(Double)
  }

  @inline(__always)
  var form: Form {
    switch order {
    case 2: .l2
    case 1: .l1
    case .infinity: .infinity
    case 0: .nonZeros
    default: .p(order)
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
