import Momentum

/// The unit that each element of a tensor belongs to, by walking through its indices.
struct PlainUnits {
  let count: Int
  /// The unit of each element; empty if there is one unit.
  let ofElement: [Int32]

  init(_ shape: [Int], _ units: TensorUnits) {
    let rank = shape.count
    let summed: [Bool] =
      switch units {
      case .tensor: shape.map { _ in true }
      case .firstAxis: shape.indices.map { rank < 2 || $0 > 0 }
      case .optax:
        shape.count { $0 != 1 } < 2
          ? shape.map { _ in true } : shape.indices.map { rank <= 3 ? $0 == 0 : $0 < rank - 1 }
      case .axes(let axes): shape.indices.map { axes.contains($0) || axes.contains($0 - rank) }
      }
    // The step in unit numbers along each axis that is held fixed.
    var steps = Array(repeating: 0, count: rank)
    var count = 1
    for axis in shape.indices.reversed() where !summed[axis] {
      steps[axis] = count
      count *= shape[axis]
    }
    let elements = shape.reduce(1, *)
    guard count > 1, elements > 0 else {
      (self.count, ofElement) = (1, [])
      return
    }
    self.count = count
    var indices = Array(repeating: 0, count: rank)
    var unit = 0
    ofElement = (0..<elements).map { _ in
      defer {
        var axis = rank - 1
        while axis >= 0 {
          indices[axis] += 1
          unit += steps[axis]
          if indices[axis] < shape[axis] { break }
          unit -= steps[axis] * shape[axis]
          indices[axis] = 0
          axis -= 1
        }
      }
      return Int32(unit)
    }
  }
}
