import Momentum

/// The matrices of a row: one, or those of a model.
struct MatrixCase: Hashable, Sendable {
  let name: String
  let shapes: [[Int]]

  /// Reads rows and columns, as in `768x3072`, and `gpt2`: the matrices of its blocks, without the embeddings, which Muon
  /// leaves to another rule.
  init?(_ name: String) {
    self.name = name
    if name == ModelTensors.gpt2.rawValue {
      shapes = ModelTensors.gpt2.tensors.filter { $0.name.hasPrefix("h.") && $0.shape.count == 2 }.map(\.shape)
      return
    }
    let sides = name.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard sides.count == 2, let rows = sides[0], let columns = sides[1], rows > 0, columns > 0 else { return nil }
    shapes = [[rows, columns]]
  }

  func layout() throws(MomentumError) -> ParameterLayout {
    try ParameterLayout(shapes.enumerated().map { ("matrix \($0)", $1) })
  }

  /// Operations of Newton-Schulz on all matrices.
  ///
  /// - Parameter restarts: The number that each of them takes.
  func operationCount(_ method: NewtonSchulz, restarts: [Int]) -> Double {
    zip(shapes, restarts).reduce(0) { $0 + method.operationCount(rows: $1.0[0], columns: $1.0[1], restarts: $1.1) }
  }

  /// The memory that a row takes: gradients, parameters, and the velocities of the engine and of the plain calls; for the
  /// largest matrix the engine's update and workspace, and the plain calls' two matrices and two squares.
  func byteCount(_ scalar: BenchRun.Element) -> Double {
    let sizes = shapes.map { shape -> (all: Double, work: Double) in
      let (r, c) = (Double(shape.min()!), Double(shape.max()!))
      return (r * c, 4 * r * c + 7 * r * r)
    }
    return (sizes.reduce(0) { $0 + 4 * $1.all } + (sizes.map(\.work).max() ?? 0)) * Double(scalar.byteCount)
  }
}
