public import Momentum

/// The cuts of a model into one contiguous part for each rank: a pure function of the layout and the number of ranks.
///
/// ```swift
/// let plan = try ShardPlan(layout, ranks: 4)
/// let own = plan.range(of: 2)  // in the flat vector
/// ```
///
/// Parts are as equal as the cuts allow. These lie between tiles (at multiples of ``Tile/count`` from a tensor's first
/// element), so that norms keep their bits, or between tensors where a limit or a rule is one of whole tensors. A model
/// of fewer tiles than ranks leaves some ranks without any.
public struct ShardPlan: Sendable, Hashable {
  /// Where a model may be cut.
  public enum Cuts: String, Sendable, Hashable, CaseIterable {
    /// Between tiles.
    case tiles
    /// Between tensors.
    case tensors
  }

  /// A tensor, or the part of it that one rank has.
  public struct Piece: Sendable, Hashable {
    /// The position of the tensor in the layout.
    public let tensor: Int
    /// The elements of the tensor.
    public let range: Range<Int>
  }

  /// The tensors of the model.
  public let layout: ParameterLayout
  /// The number of ranks.
  public let ranks: Int
  /// Where the model may be cut.
  public let cuts: Cuts
  /// The first element of each rank's part in the flat vector, and the end of the last one.
  public let bounds: [Int]

  /// Cuts a model.
  ///
  /// - Throws: ``MomentumError/invalidSetting(_:)`` for less than one rank.
  public init(_ layout: ParameterLayout, ranks: Int, cuts: Cuts = .tiles) throws(MomentumError) {
    guard ranks >= 1 else { throw .invalidSetting(name: "ranks", value: ranks, expected: .countAtLeast(1)) }
    (self.layout, self.ranks, self.cuts) = (layout, ranks, cuts)
    var bounds = [0]
    var tensor = 0
    for rank in 1..<max(ranks, 1) {
      let wanted = Int((UInt128(layout.count) * UInt128(rank)) / UInt128(ranks))
      while tensor < layout.tensors.count, layout.tensors[tensor].range.upperBound <= wanted { tensor += 1 }
      bounds.append(tensor < layout.tensors.count ? Self.cut(layout.tensors[tensor], near: wanted, cuts) : wanted)
    }
    self.bounds = bounds + [layout.count]
  }

  /// The cut of a tensor that is next to an element inside of it.
  private static func cut(_ tensor: ParameterLayout.Tensor, near wanted: Int, _ cuts: Cuts) -> Int {
    let unit = cuts == .tiles ? Tile.count : max(tensor.count, 1)
    let place = wanted - tensor.offset
    let below = place / unit * unit
    let above = min(below + unit, tensor.count)
    return tensor.offset + (place - below <= above - place ? below : above)
  }

  /// The part of a rank in the flat vector.
  public func range(of rank: Int) -> Range<Int> { bounds[rank]..<bounds[rank + 1] }

  /// The pieces of a rank, in the order of the layout. Every element is in one piece, every empty tensor too.
  public func pieces(of rank: Int) -> [Piece] {
    let range = range(of: rank)
    var pieces: [Piece] = []
    for (index, tensor) in layout.tensors.enumerated() {
      if tensor.count == 0 {
        // At the end of the model there is no element that an empty tensor goes with.
        let isHere = range.contains(tensor.offset) || (tensor.offset == layout.count && rank == ranks - 1)
        if isHere { pieces.append(Piece(tensor: index, range: 0..<0)) }
        continue
      }
      let own = tensor.range.clamped(to: range)
      if !own.isEmpty {
        pieces.append(Piece(tensor: index, range: own.lowerBound - tensor.offset..<own.upperBound - tensor.offset))
      }
    }
    return pieces
  }

  /// The layout of a rank's pieces. A whole tensor keeps its shape; a piece has one axis.
  public func layout(of rank: Int) -> ParameterLayout {
    let pieces = pieces(of: rank).map { piece -> (name: String, shape: [Int]) in
      let tensor = layout.tensors[piece.tensor]
      return (tensor.name, piece.range.count == tensor.count ? tensor.shape : [piece.range.count])
    }
    // Names and shapes are parts of a layout that is in order.
    guard let layout = try? ParameterLayout(pieces) else { preconditionFailure("a part of a layout is none") }
    return layout
  }

  /// A number that plans of other tensors, ranks or cuts do not have, by all likelihood; the same on all machines.
  public var digest: UInt64 {
    var hash = WordHash()
    for tensor in layout.tensors {
      hash.add(tensor.name)
      hash.add(UInt64(tensor.shape.count))
      for extent in tensor.shape { hash.add(UInt64(extent)) }
    }
    for bound in bounds { hash.add(UInt64(bound)) }
    return hash.value
  }
}
