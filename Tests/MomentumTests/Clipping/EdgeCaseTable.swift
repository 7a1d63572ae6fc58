import Momentum

/// What a norm clip does in one case under one convention, as Conventions.md prints it.
struct EdgeCell {
  /// What becomes of the gradient.
  enum Outcome: String {
    /// Every bit stays.
    case unchanged
    case limitByNorm = "C/N"
    case limitByPaddedNorm = "C/(N + 1e-6)"
    case keras = "C·min(1/N, 1/C)"
    case kerasWithin = "C·(1/C)"
    /// The limit is met, although N is not a number of the element type.
    case clipped = "clipped to C"
    case zero = "0"
    case nan = "NaN"
    /// Finite elements become 0, infinite ones NaN.
    case zeroAndNaN = "0, ∞ to NaN"
    case error
    /// Parameters and velocity stay.
    case leftAlone = "left alone"
  }

  let outcome: Outcome
  /// What the library of that name does instead, where it differs.
  var peer: String?

  var text: String { outcome.rawValue + (peer.map { " (peer: \($0))" } ?? "") }

  /// The coefficient for a norm and a limit, in the order of operations that the table writes; `nil` where no coefficient
  /// explains the outcome.
  func coefficient(_ norm: Double, _ limit: Double) -> Double? {
    switch outcome {
    case .unchanged: 1
    case .limitByNorm, .clipped: limit / norm
    case .limitByPaddedNorm: limit / (norm + 1e-6)
    case .keras, .kerasWithin: limit * min(1 / norm, 1 / limit)
    case .zero, .zeroAndNaN: 0
    case .nan: .nan
    case .error, .leftAlone: nil
    }
  }
}

/// One line of the table of edge cases in Conventions.md.
struct EdgeCase {
  /// The gradient of the case.
  enum Numbers {
    /// 3, -4, 12: of norm 13.
    case plain
    case zeros
    case nan
    case infinity
    /// Finite, and of a norm that is 1.5 times the largest number of the type.
    case huge
    /// No elements.
    case none
    /// A tensor without a gradient beside one that has one.
    case missing
  }

  /// What is limited.
  enum Scope: String, CaseIterable {
    case whole = "all tensors"
    case tensor = "one tensor"
  }

  let name: String
  let scopes: [Scope]
  let numbers: Numbers
  let limit: Double
  /// In the order of `Convention.allCases`.
  let cells: [EdgeCell]

  init(
    _ name: String, _ numbers: Numbers, _ scopes: [Scope] = Scope.allCases, limit: Double,
    _ native: EdgeCell, _ pytorch: EdgeCell, _ keras: EdgeCell, _ optax: EdgeCell, _ mlx: EdgeCell
  ) {
    (self.name, self.scopes, self.numbers, self.limit) = (name, scopes, numbers, limit)
    cells = [native, pytorch, keras, optax, mlx]
  }

  init(
    _ name: String, _ numbers: Numbers, _ scopes: [Scope] = Scope.allCases, limit: Double, everywhere cell: EdgeCell
  ) {
    self.init(name, numbers, scopes, limit: limit, cell, cell, cell, cell, cell)
  }

  var row: String {
    let norm = scopes.count > 1 ? "either" : scopes[0].rawValue
    return "| " + ([name, norm] + cells.map(\.text)).joined(separator: " | ") + " |"
  }

  func elements<S: BLASScalar>(_: S.Type) -> [S] {
    switch numbers {
    case .plain, .missing: [3, -4, 12]
    case .zeros: [0, -0.0, 0]
    case .nan: [3, .nan, 12]
    case .infinity: [3, -.infinity, 12]
    case .huge: Array(repeating: 0.75 * .greatestFiniteMagnitude, count: 4)
    case .none: []
    }
  }

  static var header: String {
    "| Case | Norm of | " + Convention.allCases.map { "`\($0.rawValue)`" }.joined(separator: " | ") + " |"
  }

  // MARK: - The table

  static let table: [EdgeCase] = {
    func cell(_ outcome: EdgeCell.Outcome, peer: String? = nil) -> EdgeCell { EdgeCell(outcome: outcome, peer: peer) }
    let (same, byNorm, padded) = (cell(.unchanged), cell(.limitByNorm), cell(.limitByPaddedNorm))
    let (keras, within, zero, nan) = (cell(.keras), cell(.kerasWithin), cell(.zero), cell(.nan))
    let inexact = cell(.unchanged, peer: "(g/N)·C")
    return [
      EdgeCase("N = 0, C > 0", .zeros, limit: 1, everywhere: same),
      // 49·(1/49) is not 1 in Double.
      EdgeCase("N < C", .plain, [.whole], limit: 49, same, same, within, same, same),
      EdgeCase("N < C", .plain, [.tensor], limit: 49, everywhere: same),
      EdgeCase("N < C < N + 1e-6", .plain, [.whole], limit: 13 + 5e-7, same, padded, within, same, same),
      EdgeCase("N < C < N + 1e-6", .plain, [.tensor], limit: 13 + 5e-7, same, padded, same, same, same),
      EdgeCase("N = C", .plain, [.whole], limit: 13, same, padded, within, inexact, padded),
      EdgeCase("N = C", .plain, [.tensor], limit: 13, same, padded, same, same, same),
      EdgeCase("N > C", .plain, [.whole], limit: 6.5, byNorm, padded, keras, byNorm, padded),
      EdgeCase("N > C", .plain, [.tensor], limit: 6.5, byNorm, padded, byNorm, byNorm, byNorm),
      EdgeCase("C = 0, N > 0", .plain, limit: 0, zero, zero, same, zero, zero),
      EdgeCase("C = 0, N = 0", .zeros, [.whole], limit: 0, same, same, same, cell(.unchanged, peer: "NaN"), same),
      EdgeCase("C = 0, N = 0", .zeros, [.tensor], limit: 0, everywhere: same),
      EdgeCase("C = ∞", .plain, limit: .infinity, same, same, cell(.unchanged, peer: "NaN"), same, same),
      EdgeCase(
        "C = N = ∞", .infinity, [.whole], limit: .infinity, same, cell(.unchanged, peer: "NaN"),
        cell(.unchanged, peer: "NaN"), cell(.unchanged, peer: "NaN"), cell(.unchanged, peer: "NaN")),
      EdgeCase(
        "C = N = ∞", .infinity, [.tensor], limit: .infinity, same, cell(.unchanged, peer: "NaN"),
        cell(.unchanged, peer: "NaN"), same, same),
      EdgeCase(
        "C < 0", .plain, [.whole], limit: -1, cell(.error), cell(.error, peer: "flips the signs"),
        cell(.error, peer: "unchanged"), cell(.error, peer: "flips the signs"), cell(.error, peer: "flips the signs")),
      EdgeCase(
        "C < 0", .plain, [.tensor], limit: -1, cell(.error), cell(.error, peer: "flips the signs"),
        cell(.error, peer: "unchanged"), cell(.error), cell(.error)),
      EdgeCase(
        "C = NaN", .plain, [.whole], limit: .nan, cell(.error), cell(.error, peer: "NaN"),
        cell(.error, peer: "unchanged"), cell(.error, peer: "NaN"), cell(.error, peer: "NaN")),
      EdgeCase(
        "C = NaN", .plain, [.tensor], limit: .nan, cell(.error), cell(.error, peer: "NaN"),
        cell(.error, peer: "unchanged"), cell(.error), cell(.error)),
      EdgeCase("a NaN in g", .nan, limit: 6.5, everywhere: nan),
      EdgeCase("a NaN in g, C = 0", .nan, limit: 0, nan, nan, same, nan, nan),
      EdgeCase(
        "an infinity in g", .infinity, [.whole], limit: 6.5, nan, cell(.zeroAndNaN), nan, cell(.zeroAndNaN),
        cell(.zeroAndNaN)),
      EdgeCase(
        "an infinity in g", .infinity, [.tensor], limit: 6.5, nan, cell(.zeroAndNaN), cell(.zeroAndNaN), nan, nan),
      EdgeCase(
        "N beyond its type, g finite", .huge, [.whole], limit: 6, cell(.clipped), cell(.clipped, peer: "0"),
        cell(.clipped, peer: "NaN"), cell(.clipped, peer: "0"), cell(.clipped, peer: "0")),
      EdgeCase(
        "N beyond its type, g finite", .huge, [.tensor], limit: 6, cell(.clipped), cell(.clipped, peer: "0"),
        cell(.clipped, peer: "0 or NaN"), cell(.clipped), cell(.clipped)),
      EdgeCase("no elements", .none, limit: 1, everywhere: same),
      EdgeCase("no gradient", .missing, limit: 6.5, everywhere: cell(.leftAlone)),
    ]
  }()
}
