public import Momentum

/// Which ranks of a grid have which tensors of a model, and which of them does what with it.
///
/// ```swift
/// // On every rank, with the tensors that it has.
/// let plan = try PlacementPlan(
///   on: grid,
///   [
///     ("weight", [2048, 64], ["tensor": .sliced(of: 4096)]),
///     ("bias", [64], ["tensor": .copied]),
///   ], comparing: world)
/// ```
///
/// Each rank declares what it has; the ranks meet once to hear of all, and check that it makes up one model. The plan is a pure
/// function of what all have declared, and the same on all ranks.
public struct PlacementPlan: Sendable {
  /// A tensor, or a slice of one, as a rank declares it.
  struct Declared: Codable, Hashable {
    let name: String
    let shape: [Int]
    let placement: Placement
  }

  /// A tensor of the whole model.
  struct Tensor: Sendable {
    let placement: Placement
    /// Where it is cut, by the positions of the axes that cut it.
    var cuts: [Int: Cut] = [:]
  }

  /// A dimension of a tensor that is cut along an axis.
  struct Cut: Sendable {
    let dimension: Int
    /// The first index of each slice, and the extent.
    let bounds: [Int]
  }

  /// The grid.
  public let grid: RankGrid
  /// The tensors of the model, whole, in the order in which the first ranks that have them declare them.
  public let layout: ParameterLayout
  let tensors: [Tensor]
  /// What different ranks have, and the position of what each rank has.
  private let parts: [ParameterLayout]
  private let partOfRank: [Int]

  /// Hears and checks what all ranks have. All ranks call this.
  ///
  /// - Parameters:
  ///   - grid: The grid, the same for all ranks.
  ///   - tensors: The tensors that this rank has: of those that are sliced the shape of its own slice. A tensor has the same name
  ///     on all ranks that have it.
  ///   - words: The ranks.
  /// - Throws: ``DistributedError/placement(tensor:rank:found:expected:)`` for what contradicts itself or another rank,
  ///   ``DistributedError/refused(_:)`` for what is no layout, ``DistributedError/differs(what:rank:)`` for grids that differ; the
  ///   same on all ranks.
  public init(
    on grid: RankGrid, _ tensors: [(name: String, shape: [Int], placement: Placement)], comparing words: some RankWords
  ) throws(DistributedError) {
    let own = Declaration(
      axes: grid.axes,
      tensors: tensors.map { Declared(name: $0.name, shape: $0.shape, placement: $0.placement) })
    let all: (different: [[UInt64]], positions: [Int])
    do throws(MomentumError) { all = try words.all(own.words) } catch { throw .refused(error) }
    var declarations: [Declaration] = []
    for (index, words) in all.different.enumerated() {
      let rank = all.positions.firstIndex(of: index) ?? 0
      guard let declaration = Declaration(words: words) else {
        throw .failed(rank: rank, message: "what the rank has declared cannot be read")
      }
      if declaration.axes != declarations.first?.axes ?? declaration.axes {
        throw .differs(what: "the axes of the grid", rank: rank)
      }
      declarations.append(declaration)
    }
    guard grid.rankCount == words.rankCount else {
      throw .refused(.countMismatch(what: "the grid (\(grid))", count: grid.rankCount, expected: words.rankCount))
    }
    try self.init(on: grid, different: declarations.map(\.tensors), positions: all.positions)
  }

  /// Checks what all ranks have.
  ///
  /// - Parameters:
  ///   - different: What different ranks have.
  ///   - positions: The position therein of what each rank has.
  init(on grid: RankGrid, different: [[Declared]], positions: [Int]) throws(DistributedError) {
    var parts: [ParameterLayout] = []
    do throws(MomentumError) {
      for declared in different { parts.append(try ParameterLayout(declared.map { ($0.name, $0.shape) })) }
    } catch {
      throw .refused(error)
    }
    let checked = try PlacementCheck(grid, different, parts, positions).tensors()
    do throws(MomentumError) {
      layout = try ParameterLayout(checked.map { ($0.name, $0.shape) })
    } catch {
      throw .refused(error)
    }
    (self.grid, tensors, self.parts, partOfRank) = (grid, checked.map(\.tensor), parts, positions)
  }
}

// What follows for each rank.
extension PlacementPlan {
  /// The tensors and slices that a rank has, in the order in which it has declared them: the layout of its optimizer.
  public func layout(of rank: Int) -> ParameterLayout { parts[partOfRank[rank]] }

  /// The placement of a tensor.
  ///
  /// - Throws: ``MomentumError/unknownTensor(name:)``.
  public func placement(of tensor: String) throws(MomentumError) -> Placement {
    tensors[try index(of: tensor)].placement
  }

  /// The ranks that have a tensor, or a slice of it: all of them step it.
  ///
  /// - Throws: ``MomentumError/unknownTensor(name:)``.
  public func holders(of tensor: String) throws(MomentumError) -> [Int] {
    let placement = tensors[try index(of: tensor)].placement
    return (0..<grid.rankCount).filter { placement.isHeld(at: grid.coordinates(of: $0), in: grid) }
  }

  /// The ranks that count a tensor in the norm: one, or one for each slice.
  ///
  /// - Throws: ``MomentumError/unknownTensor(name:)``.
  public func counters(of tensor: String) throws(MomentumError) -> [Int] {
    let position = try index(of: tensor)
    return try holders(of: tensor).filter { counter(of: position, heldBy: $0) == $0 }
  }

  /// The axes along which the gradients of a tensor are added up, in this order.
  ///
  /// - Throws: ``MomentumError/unknownTensor(name:)``.
  public func summedAxes(of tensor: String) throws(MomentumError) -> [String] {
    let placement = tensors[try index(of: tensor)].placement
    return grid.axes.filter { placement[$0.name].summedPlaces($0.extent).count > 1 }.map(\.name)
  }

  /// The names of a rank's tensors that another rank counts.
  public func countedElsewhere(by rank: Int) -> Set<String> {
    let names = layout(of: rank).tensors.map(\.name)
    return Set(names.filter { name in layout.index(of: name).map { counter(of: $0, heldBy: rank) } != rank })
  }

  /// An exchange for the optimizer of a rank.
  ///
  /// - Parameter base: Where the ranks meet: a ``RankExchange`` of as many elements as ``layout`` has.
  public func exchange(of rank: Int, over base: any NormExchange) -> PlacementExchange {
    PlacementExchange(base, self, rank: rank)
  }

  /// Whether a tensor is cut, so that no rank knows its norm.
  public var hasSlices: Bool { tensors.contains { $0.cuts.values.contains { $0.bounds.count > 2 } } }

  /// Whether norms, and with them clipped steps, have the bits of one process that has the whole model.
  ///
  /// They have where each slice lies in one piece in the whole tensor, row by row, and begins at a multiple of
  /// ``Tile/count`` elements. Otherwise squares are added up in other tiles: the norm is the same on all ranks, and
  /// differs from that of one process by at most twice the error that its algorithm may have (``NormAlgorithm``).
  public var cutsAtTiles: Bool {
    zip(layout.tensors, tensors).allSatisfy { whole, tensor in
      guard let cut = tensor.cuts.values.max(by: { $0.dimension < $1.dimension }), whole.count > 0 else { return true }
      let row = whole.shape[(cut.dimension + 1)...].reduce(1, *)
      return whole.shape[..<cut.dimension].allSatisfy { $0 == 1 }
        && cut.bounds.dropLast().allSatisfy { $0 * row % Tile.count == 0 || $0 == whole.shape[cut.dimension] }
    }
  }

  /// The rank that counts the part of a tensor that a rank has: the first one that has it.
  func counter(of tensor: Int, heldBy rank: Int) -> Int {
    var place = grid.coordinates(of: rank)
    for (position, axis) in grid.axes.enumerated() where tensors[tensor].cuts[position] == nil {
      place[position] = tensors[tensor].placement[axis.name].places(axis.extent)[0]
    }
    return grid.rank(at: place)
  }

  /// The index in the whole tensor of an element of a rank's part.
  func wholeIndex(_ index: Int, of tensor: String, heldBy rank: Int) -> Int {
    guard let position = layout.index(of: tensor), !tensors[position].cuts.isEmpty,
      let part = layout(of: rank).index(of: tensor).map({ layout(of: rank).tensors[$0] })
    else { return index }
    let coordinates = grid.coordinates(of: rank)
    var starts = part.shape.map { _ in 0 }
    for (axis, cut) in tensors[position].cuts { starts[cut.dimension] = cut.bounds[coordinates[axis]] }
    var (rest, place, row) = (index, 0, 1)
    for (dimension, extent) in layout.tensors[position].shape.enumerated().reversed() {
      place += (starts[dimension] + rest % part.shape[dimension]) * row
      rest /= part.shape[dimension]
      row *= extent
    }
    return place
  }

  private func index(of tensor: String) throws(MomentumError) -> Int {
    guard let index = layout.index(of: tensor) else { throw .unknownTensor(name: tensor) }
    return index
  }
}
