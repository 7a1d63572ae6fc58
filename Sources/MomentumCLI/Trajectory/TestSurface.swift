import ArgumentParser

/// A function of two variables whose minimum is known: 0 at ``minimum``.
enum TestSurface: String, CaseIterable, Codable, Sendable, ExpressibleByArgument {
  /// ½·(x² + 50·y²): condition number 50.
  case quadratic
  /// (1 − x)² + 100·(y − x²)²: a curved valley (Rosenbrock 1960).
  case rosenbrock
  /// (1.5 − x + x·y)² + (2.25 − x + x·y²)² + (2.625 − x + x·y³)²: a flat floor between steep walls (Beale 1958).
  case beale

  static let curvature = 50.0

  func value(_ x: Double, _ y: Double) -> Double {
    switch self {
    case .quadratic:
      return (x * x + Self.curvature * y * y) / 2
    case .rosenbrock:
      let (a, b) = (1 - x, y - x * x)
      return a * a + 100 * b * b
    case .beale:
      let (a, b, c) = bealeTerms(x, y)
      return a * a + b * b + c * c
    }
  }

  func gradient(_ x: Double, _ y: Double) -> (x: Double, y: Double) {
    switch self {
    case .quadratic:
      return (x, Self.curvature * y)
    case .rosenbrock:
      let b = y - x * x
      return (-2 * (1 - x) - 400 * x * b, 200 * b)
    case .beale:
      let (a, b, c) = bealeTerms(x, y)
      return (
        2 * (a * (y - 1) + b * (y * y - 1) + c * (y * y * y - 1)), 2 * x * (a + 2 * b * y + 3 * c * y * y)
      )
    }
  }

  private func bealeTerms(_ x: Double, _ y: Double) -> (Double, Double, Double) {
    (1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y)
  }

  var minimum: (x: Double, y: Double) {
    switch self {
    case .quadratic: (0, 0)
    case .rosenbrock: (1, 1)
    case .beale: (3, 0.5)
    }
  }

  /// Where descent starts.
  var start: (x: Double, y: Double) {
    switch self {
    case .quadratic: (-8, 1.5)
    case .rosenbrock: (-1.2, 1)
    case .beale: (0.5, -1.5)
    }
  }

  /// The function in gnuplot's language.
  var expression: String {
    switch self {
    case .quadratic: "0.5*(x**2 + \(Self.curvature)*y**2)"
    case .rosenbrock: "(1 - x)**2 + 100*(y - x**2)**2"
    case .beale: "(1.5 - x + x*y)**2 + (2.25 - x + x*y**2)**2 + (2.625 - x + x*y**3)**2"
    }
  }

  var title: String {
    switch self {
    case .quadratic: "Quadratic of condition number \(Int(Self.curvature))"
    case .rosenbrock: "Rosenbrock's function"
    case .beale: "Beale's function"
    }
  }
}
