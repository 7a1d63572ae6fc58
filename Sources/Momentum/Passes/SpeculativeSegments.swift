/// The segments of a ``SpeculativePass``, and the position up to which each was updated.
struct SpeculativeSegments: @unchecked Sendable {  // each thread writes those of its own segments
  /// The largest number of segments: few enough that their ends cost nothing, and enough for as many threads.
  private static let most = 64

  private let count: Int
  /// The start of each segment in the concatenation of all tensors, and the end of the last one; all lie between tiles.
  private let bounds: UnsafeMutablePointer<Int>
  /// The position up to which each segment was updated.
  let updated: UnsafeMutablePointer<Int>

  /// Divides the concatenation at tile boundaries into segments of about equal length.
  init<Scalar>(_ table: TensorTable<Scalar>) {
    count = max(1, min(Self.most, table.tiles / 4))
    bounds = .allocate(capacity: 2 * count + 1)
    updated = bounds + (count + 1)
    for segment in 0..<count {
      (bounds + segment).initialize(to: table.tileStart(atOrAfter: table.count / count * segment))
      (updated + segment).initialize(to: 0)
    }
    (bounds + count).initialize(to: table.count)
  }

  func deallocate() { bounds.deallocate() }

  /// All segments.
  var all: Range<Int> { 0..<count }

  /// The segments of one thread.
  func share(of thread: Int, _ team: ThreadTeam) -> Range<Int> {
    count * thread / team.count..<count * (thread + 1) / team.count
  }

  /// All elements of a segment.
  subscript(segment: Int) -> Range<Int> { bounds[segment]..<bounds[segment + 1] }

  /// Whether every segment was updated to its end.
  var areUpdated: Bool {
    for segment in 0..<count where updated[segment] != bounds[segment + 1] { return false }
    return true
  }
}

extension TensorTable {
  /// The start of the first tile at a position of the concatenation or behind it.
  func tileStart(atOrAfter position: Int) -> Int {
    for entry in entries where entry.offset + entry.count > position {
      let inside = max(0, position - entry.offset)
      return entry.offset + min(entry.count, (inside + Tile.count - 1) / Tile.count * Tile.count)
    }
    return count
  }
}
