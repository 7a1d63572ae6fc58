public import Momentum

/// Shapes, their units, and what a unit is, by indices counted axis by axis.
public enum UnitCases {
  /// Shapes that collapse in every way: short and long axes, axes of length 1 and 0.
  public static let shapes: [[Int]] = [
    [], [1], [7], [5000], [3, 4], [1, 9], [9, 1], [4, 1, 5], [3, 5, 2], [2, 3, 4, 5], [3, 1, 1, 6], [2, 2, 3, 2, 4],
    [70, 90], [5, 3000], [3000, 5], [2, 5000, 3], [0], [0, 4], [4, 0], [3, 0, 5],
  ]

  public static func units(of shape: [Int]) -> [TensorUnits] {
    let rank = shape.count
    var all: [TensorUnits] = [.tensor, .firstAxis, .optax, .axes([]), .axes(Array(0..<rank))]
    for axis in 0..<rank { all.append(.axes([axis - rank])) }
    if rank > 2 { all += [.axes([0, -1]), .axes([1]), .axes([rank - 1, 1])] }
    return all
  }

  /// The unit of every element: the index of what is left of its place without some axes, in row-major order.
  public static func numbers(_ shape: [Int], over axes: Set<Int>) -> [Int] {
    let isSummed = shape.indices.map { axes.contains($0) }
    return (0..<shape.reduce(1, *)).map { index in
      var (rest, step, unit) = (index, 1, 0)
      var axis = shape.count - 1
      while axis >= 0 {
        if !isSummed[axis] {
          unit += rest % shape[axis] * step
          step *= shape[axis]
        }
        rest /= shape[axis]
        axis -= 1
      }
      return unit
    }
  }

  /// The axes that norms run over, by the documentation.
  public static func axes(_ units: TensorUnits, _ shape: [Int]) -> Set<Int> {
    let rank = shape.count
    let all = Set(0..<rank)
    switch units {
    case .tensor: return all
    case .firstAxis: return rank <= 1 ? all : all.subtracting([0])
    case .optax:
      if shape.count(where: { $0 != 1 }) <= 1 { return all }
      return rank <= 3 ? [0] : all.subtracting([rank - 1])
    case .axes(let axes): return Set(axes.map { $0 < 0 ? $0 + rank : $0 })
    }
  }
}
