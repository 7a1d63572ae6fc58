/// The names, shapes and places of the tensors of a model in one flat vector.
///
/// Tensors lie one after another in the order given, without gaps, each in row-major order. A layout is a value: it can
/// be compared, stored, and used for parameters, gradients and velocity alike.
///
/// ```swift
/// let layout = try ParameterLayout([("weight", [64, 2]), ("bias", [64])])
/// let total = layout.count  // 192
/// let start = layout.tensors[1].offset  // 128
/// ```
public struct ParameterLayout: Sendable, Hashable, Codable {
  /// One tensor of a layout.
  public struct Tensor: Sendable, Hashable, Codable {
    /// The name, unique in its layout.
    public let name: String
    /// The extent along each axis; empty for a single number.
    public let shape: [Int]
    /// The index of the first element in the flat vector.
    public let offset: Int
    /// The number of elements: the product of the extents.
    public let count: Int

    /// The elements of this tensor in the flat vector.
    public var range: Range<Int> { offset..<offset + count }
  }

  /// The tensors in the order of their offsets.
  public let tensors: [Tensor]
  /// The number of elements of all tensors together.
  public let count: Int

  private let indices: [String: Int]

  /// Lays out the tensors one after another.
  ///
  /// - Throws: ``MomentumError/duplicateTensor(name:)``, ``MomentumError/invalidShape(tensor:shape:)``.
  public init(_ tensors: [(name: String, shape: [Int])]) throws(MomentumError) {
    var laidOut: [Tensor] = []
    var indices: [String: Int] = [:]
    var offset = 0
    laidOut.reserveCapacity(tensors.count)
    for (name, shape) in tensors {
      guard indices.updateValue(laidOut.count, forKey: name) == nil else { throw .duplicateTensor(name: name) }
      guard let count = Self.elementCount(shape), case let (end, overflow) = offset.addingReportingOverflow(count),
        !overflow
      else { throw .invalidShape(tensor: name, shape: shape) }
      laidOut.append(Tensor(name: name, shape: shape, offset: offset, count: count))
      offset = end
    }
    self.tensors = laidOut
    self.indices = indices
    count = offset
  }

  /// Lays out one unnamed vector of `count` elements; its tensor is called "parameters".
  ///
  /// - Throws: ``MomentumError/invalidShape(tensor:shape:)`` if the count is negative.
  public init(count: Int) throws(MomentumError) {
    try self.init([("parameters", [count])])
  }

  /// The position of the tensor of this name in ``tensors``, or `nil`.
  public func index(of name: String) -> Int? { indices[name] }

  /// The tensor of this name.
  ///
  /// - Throws: ``MomentumError/unknownTensor(name:)``.
  public func tensor(named name: String) throws(MomentumError) -> Tensor {
    guard let index = indices[name] else { throw .unknownTensor(name: name) }
    return tensors[index]
  }

  private static func elementCount(_ shape: [Int]) -> Int? {
    guard shape.allSatisfy({ $0 >= 0 }) else { return nil }
    // Empty is empty, wherever the zero stands: no other extent can make it overflow.
    var count = shape.contains(0) ? 0 : 1
    for extent in shape where count > 0 {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      guard !overflow else { return nil }
      count = product
    }
    return count
  }
}

// Names and shapes say everything; offsets are recomputed, so that a damaged file cannot describe overlapping tensors.
extension ParameterLayout {
  private struct Entry: Codable {
    let name: String
    let shape: [Int]
  }

  public init(from decoder: any Decoder) throws {
    let entries = try decoder.singleValueContainer().decode([Entry].self)
    try self.init(entries.map { ($0.name, $0.shape) })
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(tensors.map { Entry(name: $0.name, shape: $0.shape) })
  }
}
