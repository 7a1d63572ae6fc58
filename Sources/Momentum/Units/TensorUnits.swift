/// The division of a tensor into units, each with a norm of its own.
///
/// A unit is the slice of a tensor that some fixed indices select; its norm runs over the other axes. The weights of a
/// dense layer stored as outputs × inputs, for example, have one unit for each output under ``firstAxis``.
///
/// | Case | rank 0, 1 | rank 2, 3 | rank 4 | rank 5 | Source |
/// |---|---|---|---|---|---|
/// | ``tensor`` | whole | whole | whole | whole | LARS; one norm for each tensor |
/// | ``firstAxis`` | whole | axes 1... | axes 1... | axes 1... | timm `unitwise_norm`, for PyTorch's layouts |
/// | ``optax`` | whole | axis 0 | axes 0, 1, 2 | axes 0...3 | Optax `unitwise_norm`, for JAX layouts |
/// | ``axes(_:)`` | as given | as given | as given | as given | TensorFlow `clip_by_norm(axes:)` |
///
/// The table shows the axes that norms run over.
public enum TensorUnits: Sendable, Hashable {
  /// The whole tensor is one unit.
  case tensor
  /// One unit for each index of the first axis, the layout of PyTorch: output channels come first. A tensor of rank 0
  /// or 1 is one unit.
  case firstAxis
  /// The rule of Optax for the layouts of JAX: norms run over axis 0 for rank 2 and 3, over axes 0...2 for rank 4, over
  /// axes 0...3 for rank 5. A tensor with at most one axis longer than 1 is one unit. A higher rank is refused.
  case optax
  /// Norms run over these axes, as those of TensorFlow's `clip_by_norm`. Negative axes count from the last one, -1.
  /// With no axes, every element is a unit.
  case axes([Int])
}

extension TensorUnits {
  /// Whether norms run over each axis of a shape.
  ///
  /// - Parameter tensor: The tensor's name, for the error.
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for axes that the shape does not have or that are named
  ///   twice, and for a rank that ``optax`` has no rule for.
  func summedAxes(of shape: [Int], tensor: String) throws(MomentumError) -> [Bool] {
    let rank = shape.count
    switch self {
    case .tensor:
      return Array(repeating: true, count: rank)
    case .firstAxis:
      return shape.indices.map { $0 > 0 || rank <= 1 }
    case .optax:
      guard shape.count(where: { $0 != 1 }) > 1 else { return Array(repeating: true, count: rank) }
      guard rank <= 5 else {
        throw .invalidSetting(
          name: "units", of: .tensor(tensor), value: "optax for the shape \(shape)",
          expected: "at most 5 axes, or the axes themselves")
      }
      return shape.indices.map { rank <= 3 ? $0 == 0 : $0 < rank - 1 }
    case .axes(let axes):
      var summed = Array(repeating: false, count: rank)
      for axis in axes {
        let index = axis < 0 ? axis + rank : axis
        guard summed.indices.contains(index), !summed[index] else {
          throw .invalidSetting(
            name: "units", of: .tensor(tensor), value: "axes \(axes) of the shape \(shape)",
            expected: rank == 0 ? "no axes of a single number" : "axes in \(-rank)..<\(rank), each at most once")
        }
        summed[index] = true
      }
      return summed
    }
  }
}

// A name, or a list of axes.
extension TensorUnits: Codable {
  private static let names: [(name: String, units: TensorUnits)] = [
    ("tensor", .tensor), ("firstAxis", .firstAxis), ("optax", .optax),
  ]

  /// Decodes `"tensor"`, `"firstAxis"`, `"optax"`, or a list of axes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let name = try? container.decode(String.self) {
      guard let known = Self.names.first(where: { $0.name == name }) else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "units are '\(name)'; expected tensor, firstAxis, optax or a list of axes")
      }
      self = known.units
    } else {
      self = .axes(try container.decode([Int].self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if case .axes(let axes) = self {
      try container.encode(axes)
    } else {
      try container.encode(Self.names.first { $0.units == self }!.name)
    }
  }
}
