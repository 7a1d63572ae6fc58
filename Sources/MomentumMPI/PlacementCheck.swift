import Momentum

/// Finds out whether what the ranks have declared makes up one model.
///
/// Every rank does so by itself from what all have declared. So all find the same contradiction: that of the first tensor, and
/// of its first rank.
struct PlacementCheck {
  private let grid: RankGrid
  private let declared: [[PlacementPlan.Declared]]
  private let parts: [ParameterLayout]
  private let positions: [Int]
  private let coordinates: [[Int]]

  /// - Parameters:
  ///   - declared: What different ranks have.
  ///   - parts: The layouts thereof.
  ///   - positions: The position therein of what each rank has.
  init(
    _ grid: RankGrid, _ declared: [[PlacementPlan.Declared]], _ parts: [ParameterLayout], _ positions: [Int]
  ) {
    (self.grid, self.declared, self.parts, self.positions) = (grid, declared, parts, positions)
    coordinates = positions.indices.map { grid.coordinates(of: $0) }
  }

  /// The tensors of the model, with the shapes of the whole ones.
  func tensors() throws(DistributedError) -> [(name: String, shape: [Int], tensor: PlacementPlan.Tensor)] {
    var known: Set<[UInt8]> = []
    var tensors: [(String, [Int], PlacementPlan.Tensor)] = []
    // Different declarations are in the order of the first ranks that have them.
    for tensor in declared.joined() where known.insert(Array(tensor.name.utf8)).inserted {
      tensors.append(try check(tensor))
    }
    return tensors
  }

  /// What a rank has of a tensor.
  private func part(_ name: String, of rank: Int) -> PlacementPlan.Declared? {
    parts[positions[rank]].index(of: name).map { declared[positions[rank]][$0] }
  }

  private func check(
    _ first: PlacementPlan.Declared
  ) throws(DistributedError) -> (String, [Int], PlacementPlan.Tensor) {
    let (name, placement) = (first.name, first.placement)
    let firstRank = positions.indices.first { part(name, of: $0) != nil } ?? 0
    try checkPlacement(first, firstRank)
    var shape = first.shape
    for case .sliced(let extent, let dimension) in placement.axes.values { shape[dimension] = extent }

    // The extents of the slices along each axis.
    var extents: [Int: [Int: Int]] = [:]
    for rank in positions.indices {
      let isHeld = placement.isHeld(at: coordinates[rank], in: grid)
      guard let part = part(name, of: rank) else {
        guard !isHeld else {
          throw error(
            first, rank, found: "missing", expected: "a part of it at \(grid.place(of: rank)): it is \(placement)")
        }
        continue
      }
      guard part.placement == placement else {
        throw error(first, rank, found: "\(part.placement)", expected: "as on rank \(firstRank): \(placement)")
      }
      guard isHeld else {
        throw error(
          first, rank, found: "held", expected: "nothing of it at \(grid.place(of: rank)): it is \(placement)")
      }
      var expected = shape
      for (axis, cut) in cuts(placement) where part.shape.indices.contains(cut.dimension) {
        let extent = extents[axis, default: [:]][coordinates[rank][axis]] ?? part.shape[cut.dimension]
        extents[axis, default: [:]][coordinates[rank][axis]] = extent
        expected[cut.dimension] = extent
      }
      guard part.shape == expected else {
        throw error(first, rank, found: "of shape \(part.shape)", expected: "\(expected), as the ranks before it have")
      }
    }

    var tensor = PlacementPlan.Tensor(placement: placement)
    for (axis, cut) in cuts(placement) {
      let slices = (0..<grid.axes[axis].extent).map { extents[axis]?[$0] ?? 0 }
      let bounds = slices.reduce(into: [0]) { bounds, slice in
        let (end, overflow) = bounds[bounds.count - 1].addingReportingOverflow(slice)
        bounds.append(overflow ? .max : end)
      }
      guard bounds.last == cut.extent else {
        throw error(
          first, firstRank,
          found: "cut into \(slices.map { "\($0)" }.joined(separator: " + ")) along \(grid.axes[axis].name)",
          expected: "slices of \(cut.extent) in all")
      }
      tensor.cuts[axis] = PlacementPlan.Cut(dimension: cut.dimension, bounds: bounds)
    }
    return (name, shape, tensor)
  }

  /// The cuts of a placement, in the order of the axes.
  private func cuts(_ placement: Placement) -> [(axis: Int, cut: (extent: Int, dimension: Int))] {
    grid.axes.indices.compactMap { axis in
      guard case .sliced(let extent, let dimension) = placement[grid.axes[axis].name] else { return nil }
      return (axis, (extent, dimension))
    }
  }

  /// Checks a placement by itself.
  private func checkPlacement(_ tensor: PlacementPlan.Declared, _ rank: Int) throws(DistributedError) {
    var cut: Set<Int> = []
    for (name, along) in tensor.placement.axes.sorted(by: { $0.key < $1.key }) {
      guard let axis = grid.axes.first(where: { $0.name == name }) else {
        throw error(tensor, rank, found: "\(along) along \(name)", expected: "an axis of the grid \(grid)")
      }
      let places = along.places(axis.extent)
      guard !places.isEmpty, places.allSatisfy((0..<axis.extent).contains) else {
        throw error(tensor, rank, found: "\(along) along \(name)", expected: "places from 0 to \(axis.extent - 1)")
      }
      guard case .sliced(_, let dimension) = along else { continue }
      guard tensor.shape.indices.contains(dimension), cut.insert(dimension).inserted else {
        throw error(
          tensor, rank, found: "\(along) along \(name)",
          expected: "a dimension of shape \(tensor.shape) for each axis that slices it")
      }
    }
  }

  private func error(
    _ tensor: PlacementPlan.Declared, _ rank: Int, found: String, expected: String
  ) -> DistributedError {
    .placement(tensor: tensor.name, rank: rank, found: found, expected: expected)
  }
}

extension Placement {
  /// Whether the rank at a place has the tensor, or a slice of it.
  func isHeld(at coordinates: [Int], in grid: RankGrid) -> Bool {
    zip(grid.axes, coordinates).allSatisfy { axis, place in self[axis.name].contains(place) }
  }
}
