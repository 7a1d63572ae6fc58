/// The names, shapes and places of the tensors of a model in one flat vector.
///
/// Tensors lie one after another in the order given, without gaps, each in row-major order. A layout is a value: it can
/// be compared, stored, and used for parameters, gradients and velocity alike. Names are the same if their bytes are:
/// two spellings of "é" in Unicode are two names, as they are in tensor files.
///
/// A vector, a sum of gradients or a state can be used with an optimizer if its layout is the optimizer's: the same
/// names and shapes in the same order. Otherwise ``MomentumError/layoutMismatch(_:)`` names the first tensor that
/// differs. A vector without names, of ``init(count:)``, only needs as many elements.
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
  public var tensors: [Tensor] { content.tensors }
  /// The number of elements of all tensors together.
  public var count: Int { content.count }

  /// Shared by all copies, so that a copy is known by its address.
  private final class Content: Sendable {
    let tensors: [Tensor]
    let count: Int
    let indices: [ExactName: Int]

    init(_ tensors: [Tensor], count: Int, indices: [ExactName: Int]) {
      (self.tensors, self.count, self.indices) = (tensors, count, indices)
    }
  }

  private let content: Content

  /// Lays out the tensors one after another.
  ///
  /// - Throws: ``MomentumError/duplicateTensor(name:)``, ``MomentumError/invalidShape(tensor:shape:)``.
  public init(_ tensors: [(name: String, shape: [Int])]) throws(MomentumError) {
    var laidOut: [Tensor] = []
    var indices: [ExactName: Int] = [:]
    var offset = 0
    laidOut.reserveCapacity(tensors.count)
    indices.reserveCapacity(tensors.count)
    for (name, shape) in tensors {
      guard indices.updateValue(laidOut.count, forKey: ExactName(name)) == nil else {
        throw .duplicateTensor(name: name)
      }
      guard let count = Self.elementCount(shape), case let (end, overflow) = offset.addingReportingOverflow(count),
        !overflow
      else { throw .invalidShape(tensor: name, shape: shape) }
      laidOut.append(Tensor(name: name, shape: shape, offset: offset, count: count))
      offset = end
    }
    content = Content(laidOut, count: offset, indices: indices)
  }

  /// Lays out one unnamed vector of `count` elements; its tensor is called "parameters".
  ///
  /// A vector with this layout says nothing about tensors, and fits every layout of as many elements.
  ///
  /// - Throws: ``MomentumError/invalidShape(tensor:shape:)`` if the count is negative.
  public init(count: Int) throws(MomentumError) {
    try self.init([(Self.unnamed, [count])])
  }

  /// The position of the tensor of this name in ``tensors``, or `nil`.
  public func index(of name: String) -> Int? { content.indices[ExactName(name)] }

  /// The tensor of this name.
  ///
  /// - Throws: ``MomentumError/unknownTensor(name:)``.
  public func tensor(named name: String) throws(MomentumError) -> Tensor {
    guard let index = index(of: name) else { throw .unknownTensor(name: name) }
    return tensors[index]
  }

  private static let unnamed = "parameters"

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

// MARK: - Comparing

extension ParameterLayout.Tensor {
  public static func == (x: Self, y: Self) -> Bool {
    ExactName(x.name) == ExactName(y.name) && x.shape == y.shape && x.offset == y.offset
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(ExactName(name))
    hasher.combine(shape)
  }

  fileprivate var description: LayoutMismatch.Tensor { LayoutMismatch.Tensor(name: name, shape: shape) }
}

extension ParameterLayout {
  public static func == (x: ParameterLayout, y: ParameterLayout) -> Bool {
    x.content === y.content || x.tensors == y.tensors
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(tensors) }

  /// Throws if a vector has other tensors than this layout. Costs nothing if its layout is a copy of this one.
  @inline(__always)
  package func check(_ what: @autoclosure () -> String, ofVector layout: ParameterLayout) throws(MomentumError) {
    if layout.content === content { return }
    try compare(what(), layout, isVector: true)
  }

  /// Throws if something that is kept tensor by tensor has other tensors than this layout.
  @inline(__always)
  func check(_ what: @autoclosure () -> String, ofTensors layout: ParameterLayout) throws(MomentumError) {
    if layout.content === content { return }
    try compare(what(), layout, isVector: false)
  }

  @inline(never)
  private func compare(_ what: String, _ layout: ParameterLayout, isVector: Bool) throws(MomentumError) {
    if isUnnamed || layout.isUnnamed, isVector || layout.tensors.count == tensors.count || layout.count != count {
      guard layout.count == count else {
        throw .countMismatch(what: what, count: layout.count, expected: count)
      }
      return
    }
    let (found, expected) = (layout.tensors, tensors)
    let different = zip(found, expected).enumerated().first { $1.0 != $1.1 }?.offset
    let position = different ?? min(found.count, expected.count)
    guard position < max(found.count, expected.count) else { return }
    throw .layoutMismatch(
      LayoutMismatch(
        what: what, position: position, found: position < found.count ? found[position].description : nil,
        expected: position < expected.count ? expected[position].description : nil))
  }

  /// Whether the layout says nothing but a number of elements.
  private var isUnnamed: Bool { tensors.count == 1 && tensors[0].name == Self.unnamed && tensors[0].shape.count == 1 }
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
