public import Momentum

/// Ranks in a grid with named axes, such as data, pipeline and tensor: who is where. A pure function of the axes.
///
/// ```swift
/// let grid = try RankGrid([("data", 2), ("pipeline", 2), ("tensor", 2)], ranks: 8)
/// let place = grid.coordinates(of: 5)  // [1, 0, 1]
/// let stage = grid.ranks(along: [2], through: 5)  // [4, 5]
/// ```
///
/// The last axis runs fastest: its neighbours are neighbours among the ranks, and with the usual launchers on one machine. So
/// the axis along which most is sent goes last. Axes of extent 1 do no harm, and let one program serve every grid.
public struct RankGrid: Sendable, Hashable {
  /// A direction of the grid.
  public struct Axis: Sendable, Hashable, Codable {
    /// The name, unique in its grid.
    public let name: String
    /// The number of places along it.
    public let extent: Int
  }

  /// The directions; the last one runs fastest.
  public let axes: [Axis]
  /// The number of ranks: the product of the extents.
  public let rankCount: Int

  /// Arranges ranks.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for an extent below 1 or two axes of one name,
  ///   ``MomentumError/countMismatch(what:count:expected:)`` if the grid has not as many places as there are ranks.
  public init(_ axes: [(name: String, extent: Int)], ranks: Int) throws(MomentumError) {
    var (names, count): (Set<String>, Int) = ([], 1)
    for (name, extent) in axes {
      guard extent >= 1 else {
        throw .invalidSetting(name: "extent of axis '\(name)'", value: extent, expected: .countAtLeast(1))
      }
      guard names.insert(name).inserted else {
        throw .invalidSetting(name: "axes", value: "two called '\(name)'", expected: "names that differ")
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      count = overflow ? .max : product
    }
    self.axes = axes.map { Axis(name: $0.name, extent: $0.extent) }
    rankCount = count
    guard count == ranks else { throw .countMismatch(what: "the grid (\(self))", count: count, expected: ranks) }
  }

  /// The position of an axis, or `nil`.
  public func index(of axis: String) -> Int? { axes.firstIndex { $0.name == axis } }

  /// The place of a rank along each axis.
  public func coordinates(of rank: Int) -> [Int] {
    var (rest, places): (Int, [Int]) = (rank, [])
    for axis in axes.reversed() {
      places.append(rest % axis.extent)
      rest /= axis.extent
    }
    return places.reversed()
  }

  /// The rank at a place, which has one coordinate for each axis.
  public func rank(at coordinates: [Int]) -> Int {
    zip(axes, coordinates).reduce(0) { $0 * $1.0.extent + $1.1 }
  }

  /// The ranks that differ from a rank along some axes only, itself among them, in their order.
  ///
  /// - Parameter axes: Positions of axes.
  public func ranks(along axes: Set<Int>, through rank: Int) -> [Int] {
    var lines = [coordinates(of: rank)]
    for axis in axes.sorted() {
      lines = lines.flatMap { line in
        (0..<self.axes[axis].extent).map { place in
          var line = line
          line[axis] = place
          return line
        }
      }
    }
    return lines.map { self.rank(at: $0) }
  }

  /// The place of a rank, in words.
  func place(of rank: Int) -> String {
    zip(axes, coordinates(of: rank)).map { "\($0.name) \($1)" }.joined(separator: ", ")
  }

  /// A number that other grids do not have, by all likelihood; the same on all machines.
  var digest: UInt64 {
    var hash = WordHash()
    for axis in axes {
      hash.add(axis.name)
      hash.add(UInt64(axis.extent))
    }
    return hash.value
  }
}

extension RankGrid: CustomStringConvertible {
  /// For example `data 2 x pipeline 1 x tensor 2`.
  public var description: String { axes.map { "\($0.name) \($0.extent)" }.joined(separator: " x ") }
}
