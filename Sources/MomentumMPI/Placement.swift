/// Where the ranks of a grid have a tensor: what each axis does to it.
///
/// ```swift
/// let weight: Placement = ["tensor": .sliced(of: 4096), "pipeline": .owned(by: 0)]
/// let embedding: Placement = ["tensor": .sliced(of: 32_000), "pipeline": .tied([0, 3])]
/// let layerNorm: Placement = ["tensor": .copied, "pipeline": .owned(by: 2)]
/// ```
///
/// Along an axis that is not named a tensor is ``Along/replicated``, as all are along the axis of data. From a placement
/// follows who holds a tensor, and:
///
/// - **who counts it** in the norm: of the ranks that hold the same part of it, the first;
/// - **who steps it**: all that hold it, with the same gradient, so that their copies stay the same to the last bit;
/// - **whose gradients are added up**: those of the ranks along the axes where it is ``Along/replicated`` or ``Along/tied(_:)``.
public struct Placement: Sendable, Hashable {
  /// What an axis does to a tensor.
  public enum Along: Sendable, Hashable, Codable {
    /// Every rank along the axis has it, and a part of its gradient: that of other examples, or of other tokens. The step takes
    /// the sum.
    case replicated
    /// Every rank along the axis has it, and computes the same gradient to the last bit, as those of a tensor parallel group do
    /// for a layer norm whose whole input they have. Nothing is added up.
    case copied
    /// Every rank along the axis has a slice, in the order of their places. Slices need not be equal.
    ///
    /// - of: The extent of the whole tensor along the dimension.
    /// - dimension: The dimension that is cut.
    case sliced(of: Int, dimension: Int = 0)
    /// The rank at one place has it.
    case owned(by: Int)
    /// The ranks at some places have it, such as the first and the last stage of a pipeline that embed and unembed by one
    /// matrix, and each of them a part of its gradient. The step takes the sum.
    case tied([Int])
  }

  /// What each axis does that does anything.
  let axes: [String: Along]

  /// A tensor is replicated along the axes that are not named.
  public init(_ axes: [String: Along]) {
    self.axes = axes.compactMapValues { along -> Along? in
      switch along {
      case .replicated: nil
      // The order of the places means nothing.
      case .tied(let places): .tied(Set(places).sorted())
      default: along
      }
    }
  }

  /// What an axis does.
  public subscript(axis: String) -> Along { axes[axis] ?? .replicated }
}

extension Placement: ExpressibleByDictionaryLiteral {
  /// Each axis may be named once.
  public init(dictionaryLiteral axes: (String, Along)...) { self.init(Dictionary(uniqueKeysWithValues: axes)) }
}

extension Placement: Codable {
  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode([String: Along].self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(axes)
  }
}

extension Placement.Along {
  /// The places along an axis where the tensor is.
  func places(_ extent: Int) -> [Int] {
    switch self {
    case .replicated, .copied, .sliced: Array(0..<extent)
    case .owned(let place): [place]
    case .tied(let places): places
    }
  }

  /// Whether the tensor is at a place.
  func contains(_ place: Int) -> Bool {
    switch self {
    case .replicated, .copied, .sliced: true
    case .owned(let owner): place == owner
    case .tied(let places): places.contains(place)
    }
  }

  /// The places whose gradients are added up; fewer than two if none are.
  func summedPlaces(_ extent: Int) -> [Int] {
    switch self {
    case .replicated, .tied: places(extent)
    case .copied, .sliced, .owned: []
    }
  }
}

extension Placement: CustomStringConvertible {
  /// For example `owned by 0 along pipeline, sliced of 4096 along tensor`.
  public var description: String {
    let parts = axes.sorted { $0.key < $1.key }.map { "\($0.value) along \($0.key)" }
    return parts.isEmpty ? "replicated" : parts.joined(separator: ", ")
  }
}

extension Placement.Along: CustomStringConvertible {
  public var description: String {
    switch self {
    case .replicated: "replicated"
    case .copied: "copied"
    case .sliced(let extent, let dimension): "sliced of \(extent)\(dimension == 0 ? "" : " in dimension \(dimension)")"
    case .owned(let place): "owned by \(place)"
    case .tied(let places): "tied to \(places.map { "\($0)" }.joined(separator: " and "))"
    }
  }
}
