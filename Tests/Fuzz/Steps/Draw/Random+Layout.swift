import Momentum

/// The tensors of a scenario, and the size of the numbers that settings are drawn for.
struct Frame {
  var names: [String] = []
  var shapes: [[Int]] = []
  /// The rank that every tensor has at least, so that norms may run over given axes.
  var leastRank: Int
  /// About the size of an element of a gradient.
  var scale: Double
  /// About the norm of a gradient.
  var norm: Double

  /// The tensors that can be read as matrices.
  var matrixNames: [String] { zip(names, shapes).filter { $1.count >= 2 }.map(\.0) }

  var counts: [Int] { shapes.map { $0.reduce(1, *) } }
}

// Layouts: mostly small, with lengths near the seams of tiles and of vectors of the processor.
extension Random {
  /// - Parameter most: The most elements of a layout, about.
  mutating func drawFrame(most: Int) -> Frame {
    let budget = min(
      most,
      weighted([
        (0.46, 400), (0.3, 3_000), (0.16, 20_000), (0.05, 60_000), (0.025, 150_000), (0.005, 400_000),
      ]))
    let tensors = weighted([(0.15, 1), (0.6, within(2...8)), (0.25, within(9...40))])
    let leastRank = weighted([(0.7, 0), (0.15, 1), (0.15, 2)])
    let scale = weighted([(0.8, logUniform(1e-3, 10)), (0.1, logUniform(1e-20, 1e-5)), (0.1, logUniform(10, 1e8))])
    var frame = Frame(leastRank: leastRank, scale: scale, norm: 0)
    var rest = budget
    for index in 0..<tensors {
      var count = drawCount()
      if index == 0, budget >= 60_000 { count = within(budget / 3...budget) }
      if count > rest { count = rest == 0 ? below(40) : min(count, rest / 2 + 1) }
      rest = max(0, rest - count)
      frame.shapes.append(drawShape(count, leastRank))
      frame.names.append("layer\(index / 2).\(index % 2 == 0 ? "weight" : "bias")")
    }
    frame.norm = scale * Double(max(1, frame.counts.reduce(0, +))).squareRoot()
    return frame
  }

  private mutating func drawCount() -> Int {
    switch below(10) {
    case 0: pick([0, 1, 2, 3, 7, 31, 32, 33])
    case 1, 2: within(1...130)
    case 3, 4: max(0, 64 * within(1...40) + within(-3...3))
    case 5, 6: max(0, Tile.count * within(1...9) + pick([-64, -33, -32, -1, 0, 0, 1, 2, 31, 64, 65, 640]))
    case 7: Int(logUniform(1, 20_000))
    default: within(1...20_000)
    }
  }

  private mutating func drawShape(_ count: Int, _ leastRank: Int) -> [Int] {
    if count == 1, leastRank == 0, chance(0.3) { return [] }
    let rank = max(leastRank, weighted([(0.35, 1), (0.35, 2), (0.12, 3), (0.12, 4), (0.06, 5)]))
    if rank <= 1 { return [count] }
    if count == 0 {
      var shape = (0..<rank).map { _ in within(1...5) }
      shape[below(rank)] = 0
      return shape
    }
    // Small axes, and one that takes up what is left.
    var shape = Array(repeating: 1, count: rank)
    var rest = count
    let long = below(rank)
    for axis in 0..<rank where axis != long {
      let most = max(1, Int(Double(rest).squareRoot()))
      shape[axis] = min(
        most, weighted([(0.15, 1), (0.35, within(1...9)), (0.3, within(1...80)), (0.2, within(1...most))]))
      rest = max(1, rest / shape[axis])
    }
    shape[long] = rest
    return shape
  }

  mutating func drawUnits(_ frame: Frame) -> TensorUnits {
    var items: [(Double, TensorUnits)] = [(1, .firstAxis), (1, .optax), (0.3, .tensor), (0.2, .axes([]))]
    if frame.leastRank >= 1 { items += [(1, .axes([0])), (1, .axes([-1]))] }
    if frame.leastRank >= 2 { items += [(1, .axes([0, 1])), (1, .axes([-2])), (0.6, .axes([1, 0]))] }
    return weighted(items)
  }
}
