import MomentumTestSupport
import XCTest

@testable import Momentum

/// How Muon reads tensors as matrices, and what that makes of its factor.
final class MuonViewTests: XCTestCase {
  /// The parameters after steps from zeros.
  private func run<S: BLASScalar>(_ rule: Muon, _ shapes: [[Int]], _ gradients: [[[S]]]) throws -> [[S]] {
    let layout = try ParameterLayout(shapes.enumerated().map { ("tensor \($0)", $1) })
    var optimizer = try Optimizer<S>(layout, rule: rule)
    let memory = layout.tensors.map { GuardedMemory([S](repeating: 0, count: $0.count)) }
    for gradient in gradients {
      let read = gradient.map { GuardedMemory($0) }
      try optimizer.step(parameters: memory.map(\.buffer), gradients: read.map(\.readOnlyBuffer))
    }
    return memory.map(\.elements)
  }

  /// k, from a step that only divides each matrix by its norm.
  private func factor(_ convention: Convention, _ scale: Muon.Scale?, _ view: MatrixView, _ shape: [Int]) throws
    -> Double
  {
    let rule = try Muon(
      learningRate: 1, momentum: 0, nesterov: false, weightDecay: 0,
      method: .newtonSchulz(NewtonSchulz([.init(1, 0, 0)])), view: view, scale: scale, convention: convention)
    let gradient = [Double](repeating: 1, count: shape.reduce(1, *))
    let moved = try run(rule, [shape], [[gradient]])[0]
    let matrices = try view.matrices(of: shape, tensor: "w").count
    return (moved.reduce(0) { $0 + $1 * $1 } / Double(matrices)).squareRoot()
  }

  /// The factors that the formulas of the libraries give. Optax's dimension numbers (0, 1), its default, are the inputs
  /// and the outputs; JAX with optax 0.2.8 was run for its rows.
  func testTheFactorOfEveryView() throws {
    let (kernel, weight) = (MatrixView.axes(inputs: [0], outputs: [1]), MatrixView.axes(inputs: [1], outputs: [0]))
    func expect(
      _ k: Double, _ convention: Convention, _ view: MatrixView, _ shape: [Int], scale: Muon.Scale? = nil,
      line: UInt = #line
    ) throws {
      XCTAssertEqual(try factor(convention, scale, view, shape), k, accuracy: 1e-12, line: line)
    }
    try expect(2, .optax, .firstAxis, [4, 16])
    try expect(2, .optax, kernel, [4, 16])
    try expect(1, .optax, weight, [4, 16])
    try expect(2, .optax, .axes(inputs: [0, 1], outputs: [2]), [2, 2, 16])
    try expect(4, .optax, .axes(inputs: [2], outputs: [0, 1]), [8, 8, 4])
    try expect(2, .optax, .axes(inputs: [-2], outputs: [-1]), [3, 4, 16])
    try expect(2, .optax, .lastTwoAxes, [3, 4, 16])
    try expect(1, .optax, .firstAxis, [4, 16], scale: .matchingRMS(0.25))
    try expect(1, .optax, kernel, [4, 16], scale: .matchingRMS(0.25))
    try expect(0.5, .optax, .firstAxis, [16, 4], scale: .spectral)
    try expect(0.5, .optax, kernel, [16, 4], scale: .spectral)
    try expect(2, .optax, weight, [16, 4], scale: .spectral)
    try expect(1, .optax, kernel, [4, 16], scale: Muon.Scale.none)
    try expect(2, .optax, .rowBlocks([4, 4], of: kernel), [1, 8])
    try expect(2, .optax, .rowBlocks([1, 1], of: .firstAxis), [2, 4])
    // Rows are outputs, whether a view says so or not.
    try expect(2, .native, .firstAxis, [16, 4])
    try expect(1, .native, .firstAxis, [4, 16])
    try expect(2, .native, kernel, [4, 16])
    try expect(0.5, .native, .firstAxis, [4, 16], scale: .spectral)
    try expect(2, .native, kernel, [4, 16], scale: .spectral)
    try expect(2, .native, .rowBlocks([8, 8], of: .firstAxis), [16, 2])
    try expect(2, .pytorch, .firstAxis, [16, 4])
    try expect(2, .pytorch, kernel, [4, 16])
    for view in [MatrixView.firstAxis, kernel, weight] {
      try expect(2, .keras, view, [4, 100])
      try expect(2, .keras, view, [100, 4])
    }
    // The last two axes of a tensor with more than two, unless the view has other outputs.
    try expect(2, .mlx, .firstAxis, [16, 4])
    try expect(2, .mlx, .firstAxis, [1, 16, 4])
    try expect(2, .mlx, .firstAxis, [7, 5, 16, 4])
    try expect(1, .mlx, .firstAxis, [16, 2, 2])
    try expect(0.5, .mlx, .firstAxis, [7, 4, 16], scale: .spectral)
    try expect(2, .mlx, .lastTwoAxes, [3, 16, 4])
    try expect(2, .mlx, .rowBlocks([2, 2], of: .firstAxis), [4, 16, 4])
    try expect(2, .mlx, .axes(inputs: [1, 2], outputs: [0]), [16, 2, 2])
  }

  /// Beside an axis without an index others may have any extent, and their product may exceed `Int`.
  func testTensorsWithoutElements() throws {
    let shapes = [
      [0, 1 << 62, 4], [1 << 62, 4, 0], [1 << 40, 1 << 40, 0], [1 << 40, 0, 3], [0, 5], [1 << 50, 1 << 50, 0, 2],
    ]
    for shape in shapes {
      let views: [MatrixView] = [
        .firstAxis, .lastTwoAxes, .axes(inputs: [0], outputs: [-1]), .axes(inputs: [1], outputs: [0]),
        .axes(inputs: Array(0..<shape.count - 1), outputs: [-1]),
      ]
      for view in views {
        for (convention, scale) in [(Convention.native, Muon.Scale.fanRatio), (.optax, .spectral), (.mlx, .fanRatio)] {
          let rule = try Muon(learningRate: 1, view: view, scale: scale, convention: convention)
          let other = Array(repeating: 1, count: shape.count - 2) + [2, 2]
          let moved: [[Float]] = try run(rule, [shape, other], [[[], [1, 0, 0, 1]]])
          XCTAssertEqual(moved[0], [])
          XCTAssertLessThan(moved[1][0], -0.1, "\(shape), \(view)")
        }
      }
    }
  }

  /// Optax's default for a matrix, named and not.
  func testOptaxWithItsDefaultAxesNamed() throws {
    var random = SeededGenerator(seed: 1601)
    let gradients: [[[Double]]] = (0..<3).map { _ in [random.numbers(64)] }
    let plain = try run(Muon(learningRate: 1, convention: .optax), [[4, 16]], gradients)
    let named = try run(
      Muon(learningRate: 1, view: .axes(inputs: [0], outputs: [1]), convention: .optax), [[4, 16]], gradients)
    for (x, y) in zip(plain[0], named[0]) { XCTAssertEqual(x, y, accuracy: 1e-12) }
  }

  /// MLX multiplies a tensor by its first axis, and scales it by its last two.
  func testMLXWithMoreThanTwoAxes() throws {
    var random = SeededGenerator(seed: 1602)
    for shape in [[3, 9, 2], [2, 3, 8, 2], [9, 2, 3], [1, 5, 5]] {
      for nesterov in [false, true] {
        let rule = try Muon(learningRate: 0.5, nesterov: nesterov, weightDecay: 0.25, convention: .mlx)
        let count = shape.reduce(1, *)
        var reference = MuonReference(rule, shape, [Double](repeating: 0, count: count))
        let gradients: [[[Double]]] = (0..<3).map { _ in [random.numbers(count)] }
        for gradient in gradients { reference.step(gradient[0]) }
        for (found, expected) in zip(try run(rule, [shape], gradients)[0], reference.parameters) {
          XCTAssertEqual(found, expected, accuracy: 1e-11, "\(shape), nesterov \(nesterov)")
        }
      }
    }
  }

  /// Blocks of rows, such as queries, keys and values, are stepped as if each were a tensor, bit for bit.
  func testRowBlocksAreTensorsOfTheirOwn() throws {
    var random = SeededGenerator(seed: 1603)
    for convention in Convention.allCases {
      for (blocks, columns, scale) in [
        ([3, 3, 3], [5], nil), ([70, 70], [90], nil), ([2, 1, 6], [4], Muon.Scale.none), ([4, 4], [3, 2], nil),
      ] as [([Int], [Int], Muon.Scale?)] {
        func rule(_ view: MatrixView) throws -> Muon {
          try Muon(learningRate: 0.5, weightDecay: 0.25, view: view, scale: scale, convention: convention)
        }
        let width = columns.reduce(1, *)
        let gradients: [[[Float]]] = (0..<2).map { _ in blocks.map { random.numbers($0 * width) } }
        let alone = try run(rule(.firstAxis), blocks.map { [$0] + columns }, gradients)
        let together = try run(
          rule(.rowBlocks(blocks, of: .firstAxis)), [[blocks.reduce(0, +)] + columns],
          gradients.map { [$0.flatMap { $0 }] })
        assertSameBits(alone.flatMap { $0 }, together[0], "\(convention), blocks \(blocks) of \(columns)")
        XCTAssertGreaterThan(together[0].map(\.magnitude).max()!, 0.01)
      }
    }
  }

  /// What <doc:UpdateRules> says of MLX's vectors: momentum, which ``SGD`` takes as well.
  func testTensorsThatMLXDoesNotOrthogonalise() throws {
    let (lr, m, wd) = (0.5, 0.75, 0.25)
    let rule = try SGD(learningRate: lr * (1 - m), momentum: m, weightDecay: wd, nesterov: true)
    var optimizer = try Optimizer<Double>(ParameterLayout([("bias", [3])]), rule: rule)
    var (found, expected, v): ([Double], [Double], [Double]) = ([1, -2, 3], [1, -2, 3], [0, 0, 0])
    var random = SeededGenerator(seed: 1604)
    for _ in 0..<4 {
      let gradients: [Double] = random.numbers(3)
      var span = found.mutableSpan
      try optimizer.step(&span, gradients: gradients.span)
      for i in 0..<3 {
        let g = gradients[i] + wd * expected[i]
        v[i] = m * v[i] + (1 - m) * g
        expected[i] -= lr * ((1 - m) * g + m * v[i])
      }
    }
    for (x, y) in zip(found, expected) { XCTAssertEqual(x, y, accuracy: 1e-14) }
  }
}
