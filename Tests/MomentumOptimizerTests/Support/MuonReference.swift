import Foundation

@testable import Momentum

/// The steps of Muon for one tensor in `Double`, by the table of its documentation, with products of matrices as plain
/// loops. The tensor is read by its first axis.
struct MuonReference {
  private typealias Matrix = [[Double]]

  let rule: Muon
  private let shape: [Int]
  private let rows, columns: Int
  private(set) var parameters, velocity: [Double]
  private var step = 0

  init(_ rule: Muon, _ shape: [Int], _ parameters: [Double]) {
    (self.rule, self.shape, rows, columns) = (rule, shape, shape[0], shape[1...].reduce(1, *))
    (self.parameters, velocity) = (parameters, parameters.map { _ in 0 })
  }

  mutating func step(_ gradient: [Double]) {
    step += 1
    let (m, wd, lr, t) = (rule.momentum, rule.weightDecay, rule.learningRate, Double(step))
    let isDamped = [.pytorch, .optax, .mlx].contains(rule.convention)
    var x: [Double] = []
    for (index, g) in gradient.enumerated() {
      let g = rule.convention == .mlx ? g + wd * parameters[index] : g
      let entering = isDamped ? (1 - m) * g : g
      velocity[index] = m * velocity[index] + entering
      let v = velocity[index]
      switch (rule.convention, rule.nesterov) {
      case (.optax, true): x.append(m * v / (1 - pow(m, t + 1)) + entering / (1 - pow(m, t)))
      case (.optax, false): x.append(v / (1 - pow(m, t)))
      case (_, true): x.append(entering + m * v)
      case (_, false): x.append(v)
      }
    }
    let matrix = (0..<rows).map { Array(x[$0 * columns..<($0 + 1) * columns]) }
    let o = Self.orthogonalized(matrix, rule.method).flatMap { $0 }
    for index in parameters.indices {
      let decay = rule.convention == .mlx ? 0 : wd * parameters[index]
      parameters[index] -= lr * (factor * o[index] + decay)
    }
  }

  /// k.
  private var factor: Double {
    var (r, c) = (Double(rows), Double(columns))
    if rule.convention == .optax { (r, c) = (c, r) }
    // MLX looks at the shape after it has restored it.
    if rule.convention == .mlx { (r, c) = (Double(shape[shape.count - 2]), Double(shape[shape.count - 1])) }
    return switch rule.scale {
    case .fanRatio: max(1, r / c).squareRoot()
    case .matchingRMS(let rms): rms * max(r, c).squareRoot()
    case .spectral: (r / c).squareRoot()
    case .none: 1.0
    }
  }

  /// The iteration as its authors wrote it.
  private static func orthogonalized(_ matrix: Matrix, _ method: Orthogonalization) -> Matrix {
    guard case .newtonSchulz(let method) = method else { preconditionFailure("LAPACK has tests of its own") }
    let isTall = matrix.count > (matrix.first?.count ?? 0)
    var x = isTall ? transposed(matrix) : matrix
    let norm = x.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
    let divisor = method.epsilonUse == .least ? max(norm, method.epsilon) : norm + method.epsilon
    if divisor > 0 { x = x.map { $0.map { $0 / divisor } } }
    for step in method.steps {
      let gram = product(x, transposed(x))
      let factor = combined(step.b, gram, step.c, product(gram, gram))
      x = combined(step.a, x, 1, product(factor, x))
    }
    return isTall ? transposed(x) : x
  }

  private static func product(_ x: Matrix, _ y: Matrix) -> Matrix {
    x.map { row in
      (y.first ?? []).indices.map { column in zip(row, y).reduce(0) { $0 + $1.0 * $1.1[column] } }
    }
  }

  private static func transposed(_ x: Matrix) -> Matrix { (x.first ?? []).indices.map { j in x.map { $0[j] } } }

  private static func combined(_ a: Double, _ x: Matrix, _ b: Double, _ y: Matrix) -> Matrix {
    zip(x, y).map { zip($0, $1).map { a * $0 + b * $1 } }
  }
}
