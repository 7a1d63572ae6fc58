import Momentum

/// The steps of ``Muon`` for one tensor, with matrices multiplied by plain loops.
struct PlainMuon<Wide: WideNumber> {
  private let spec: RuleSpec
  private let bounds: Bounds<Wide>
  /// What velocity and gradient are multiplied by in the matrix that is orthogonalised.
  private let ofVelocity, ofGradient: Wide
  private let shape: [Int]
  /// What underflow takes from a velocity.
  private let lost: Wide
  /// What a velocity loses of its magnitude where it is stored, before the matrix is made from it.
  private let storage: Wide

  /// Larger matrices would take too long; of their steps only the size is looked at.
  private static var mostWork: Int { 20_000 }

  init(_ rule: PlainRule<Wide>, _ bounds: Bounds<Wide>, step: Int, shape: [Int], lost: Wide, storage: Wide) {
    (spec, self.bounds, self.shape, self.lost, self.storage) = (rule.spec, bounds, shape, lost, storage)
    let m = Wide(rule.momentum)
    var (ofVelocity, ofGradient) = spec.nesterov ? (m, rule.entering(isFirstStep: false)) : (1, 0)
    if spec.convention == .optax {
      ofVelocity /= 1 - Wide.power(m, Wide(spec.nesterov ? step + 1 : step))
      ofGradient /= 1 - Wide.power(m, Wide(step))
    }
    (self.ofVelocity, self.ofGradient) = (ofVelocity, ofGradient)
  }

  /// k·O for elements whose velocity is the new one.
  func updates(_ elements: [PlainElement<Wide>]) -> [PlainNumber<Wide>] {
    var updates = Array(repeating: PlainNumber<Wide>(), count: elements.count)
    let (rows, columns, matrices) = places()
    let k = factor(rows, columns)
    for places in matrices {
      let x = places.map { place in
        var x = PlainNumber<Wide>()
        if ofVelocity != 0 {
          x.add(ofVelocity, elements[place].velocity)
          x.radius += storage * (ofVelocity * elements[place].velocity.size).magnitude
        }
        if ofGradient != 0 { x.add(ofGradient, elements[place].gradient) }
        return x
      }
      for (place, update) in zip(places, orthogonalized(x, rows, columns)) { updates[place].add(k, update) }
    }
    return updates
  }

  /// The places of the elements of each matrix, row by row.
  private func places() -> (rows: Int, columns: Int, matrices: [[Int]]) {
    let count = shape.reduce(1, *)
    guard count > 0 else { return (0, 0, []) }
    switch spec.matrices.view {
    case .lastTwoAxes:
      let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
      let size = rows * columns
      return (rows, columns, (0..<count / size).map { Array($0 * size..<($0 + 1) * size) })
    case .axes:
      // Inputs by outputs by the rest.
      let (rows, columns) = (shape[1], shape[0])
      let rest = count / (rows * columns)
      let matrices = (0..<rest).map { batch in
        (0..<rows * columns).map { ($0 % columns * rows + $0 / columns) * rest + batch }
      }
      return (rows, columns, matrices)
    default: return (shape[0], count / shape[0], [Array(0..<count)])
    }
  }

  /// k.
  private func factor(_ rows: Int, _ columns: Int) -> Wide {
    // Outputs and inputs. A view of named axes has said which are which; otherwise a convention's layers decide.
    let (r, c): (Wide, Wide)
    switch (spec.matrices.view, spec.convention) {
    case (.axes, _): (r, c) = (Wide(shape[1]), Wide(shape[0]))
    case (_, .mlx) where shape.count > 2:
      (r, c) = (Wide(shape[shape.count - 2]), Wide(shape[shape.count - 1]))
    case (_, .optax): (r, c) = (Wide(columns), Wide(rows))
    default: (r, c) = (Wide(rows), Wide(columns))
    }
    switch spec.matrices.scale {
    case .fanRatio: return max(1, r / c).squareRoot()
    case .matchingRMS(let rms): return Wide(rms) * max(r, c).squareRoot()
    case .spectral: return (r / c).squareRoot()
    case .none: return 1
    }
  }

  /// O, with bounds: what small singular values are multiplied by, errors may be.
  private func orthogonalized(_ x: [PlainNumber<Wide>], _ rows: Int, _ columns: Int) -> [PlainNumber<Wide>] {
    func everywhere(_ number: PlainNumber<Wide>) -> [PlainNumber<Wide>] { Array(repeating: number, count: x.count) }
    if x.contains(where: { !$0.value.isFinite || !$0.size.isFinite }) {
      return everywhere(PlainNumber(value: .nan, size: .nan))
    }
    if x.contains(where: { $0.size > bounds.greatest / 0x1p30 }) {
      return everywhere(PlainNumber(size: 1, radius: .infinity))
    }
    let bound = bounds.velocity(onePass: false) + 6 * bounds.unit
    let loss = lost * max(1, ofVelocity) + bounds.underflow
    var (squares, errors): (Wide, Wide) = (0, 0)
    for number in x {
      let error = number.size == 0 && number.radius == 0 ? 0 : bound * number.size + number.radius + loss
      (squares, errors) = (squares + number.value * number.value, errors + error * error)
    }
    let (norm, error) = (squares.squareRoot(), errors.squareRoot())
    if norm == 0, error == 0 { return everywhere(PlainNumber()) }
    let (method, epsilon) = (spec.matrices.method, Wide(spec.matrices.method.epsilon))
    let divisor = method.epsilonUse == .added ? norm + epsilon : max(norm, epsilon)
    // Whatever is orthogonalised, no singular value comes to lie above 1.5.
    let largest = PlainNumber<Wide>(size: 1, radius: 1.5)
    let side = min(rows, columns)
    guard side * side * max(rows, columns) <= Self.mostWork, divisor > 0 else { return everywhere(largest) }
    let growth = method.steps.reduce(Wide(1)) { $0 * Wide($1.a) }
    let arithmetic = 64 * bounds.unit * Wide(side).squareRoot() * min(1, norm / divisor)
    let radius = min(3, growth * (2 * error / divisor + arithmetic))
    return Self.steps(x.map { $0.value / divisor }, rows, columns, method).map {
      PlainNumber(value: $0, size: $0.magnitude, radius: radius)
    }
  }

  /// The steps as they are written down.
  private static func steps(_ x: [Wide], _ rows: Int, _ columns: Int, _ method: NewtonSchulz) -> [Wide] {
    guard rows <= columns else {
      return transposed(steps(transposed(x, rows, columns), columns, rows, method), columns, rows)
    }
    var x = x
    for step in method.steps {
      let gram = product(x, transposed(x, rows, columns), rows, columns, rows)
      let square = product(gram, gram, rows, rows, rows)
      let factor = gram.indices.map { Wide(step.b) * gram[$0] + Wide(step.c) * square[$0] }
      let moved = product(factor, x, rows, rows, columns)
      for index in x.indices { x[index] = Wide(step.a) * x[index] + moved[index] }
    }
    return x
  }

  private static func transposed(_ x: [Wide], _ rows: Int, _ columns: Int) -> [Wide] {
    x.indices.map { x[$0 % rows * columns + $0 / rows] }
  }

  private static func product(_ a: [Wide], _ b: [Wide], _ m: Int, _ k: Int, _ n: Int) -> [Wide] {
    var c = Array(repeating: Wide(0), count: m * n)
    for i in 0..<m {
      for l in 0..<k {
        let factor = a[i * k + l]
        for j in 0..<n { c[i * n + j] += factor * b[l * n + j] }
      }
    }
    return c
  }
}
