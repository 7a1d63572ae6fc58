#if MPI
  import Momentum

  /// The ranks of a communicator in a grid with named axes, and the communicators along its axes.
  ///
  /// ```swift
  /// let grid = try CommunicatorGrid(world, [("data", 2), ("pipeline", 2), ("tensor", 2)])
  /// let group = try grid.along("tensor")  // the ranks that differ from this one in nothing else
  /// let replica = try grid.across("data")  // all with the same place along data
  /// ```
  public final class CommunicatorGrid {
    /// All ranks.
    public let communicator: Communicator
    /// Who is where.
    public let ranks: RankGrid
    /// The communicators made so far. They last as long as MPI, so that each is made once.
    private var parts: [Set<Int>: Communicator] = [:]

    /// Arranges the ranks of a communicator. All ranks call this.
    ///
    /// - Parameters:
    ///   - communicator: The ranks.
    ///   - axes: The names and extents; the last axis runs fastest.
    /// - Throws: ``DistributedError``, the same on all ranks: also if their axes differ, or do not make up all ranks.
    public init(_ communicator: Communicator, _ axes: [(name: String, extent: Int)]) throws(DistributedError) {
      let ranks = try communicator.agree { try RankGrid(axes, ranks: communicator.rankCount) }
      try communicator.requireSame(ranks.digest, "the axes of the grid")
      (self.communicator, self.ranks) = (communicator, ranks)
    }

    /// The place of this rank along each axis.
    public var coordinates: [Int] { ranks.coordinates(of: communicator.rank) }

    /// The place of this rank along an axis.
    ///
    /// - Precondition: The grid has the axis.
    public func coordinate(along axis: String) -> Int {
      guard let index = ranks.index(of: axis) else { preconditionFailure("grid \(ranks) has no axis '\(axis)'") }
      return coordinates[index]
    }

    /// The ranks that differ from this one along some axes only, in their order. All ranks call this.
    ///
    /// - Throws: ``DistributedError``, the same on all ranks, for an axis that the grid does not have, and for ranks that name
    ///   different axes.
    public func along(_ axes: String...) throws(DistributedError) -> Communicator { try part(axes, isAcross: false) }

    /// The ranks that have the same places as this one along some axes, in their order. All ranks call this.
    ///
    /// - Throws: As ``along(_:)``.
    public func across(_ axes: String...) throws(DistributedError) -> Communicator { try part(axes, isAcross: true) }

    private func part(_ names: [String], isAcross: Bool) throws(DistributedError) -> Communicator {
      let named = try communicator.agree {
        var named: Set<Int> = []
        for name in names {
          guard let index = ranks.index(of: name) else {
            throw MomentumError.invalidSetting(name: "axis", value: name, expected: "one of the grid \(ranks)")
          }
          named.insert(index)
        }
        return named
      }
      let axes = isAcross ? Set(ranks.axes.indices).subtracting(named) : named
      var hash = WordHash()
      for axis in axes.sorted() { hash.add(UInt64(axis)) }
      try communicator.requireSame(hash.value, "the axes of a part")
      if let known = parts[axes] { return known }
      guard let part = try split(along: axes, isIn: true) else { preconditionFailure("a rank is not in its own part") }
      parts[axes] = part
      return part
    }

    /// The ranks along some axes that take part. All ranks call this.
    func split(along axes: Set<Int>, isIn: Bool) throws(DistributedError) -> Communicator? {
      try communicator.split(color: isIn ? ranks.ranks(along: axes, through: communicator.rank)[0] : nil)
    }
  }
#endif
