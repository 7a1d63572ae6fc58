import Foundation
import Momentum

/// Where parameters go whose updates are small, by how they are stored: steps with a constant gradient, all from 1.
struct StorageDrift: Sendable {
  enum Storage: String, CaseIterable, Sendable {
    /// A `Float`, which a copy in half precision may stand beside.
    case float32
    /// `SplitParameters`.
    case remainders
    case nearest = "bfloat16-nearest"
    case stochastic = "bfloat16-stochastic"
  }

  /// The parameters of one storage.
  struct Path: Sendable {
    let storage: Storage
    /// Before the first step and after each one: the mean of all parameters, and the first of them.
    var means: [Double] = [1]
    var firsts: [Double] = [1]
    /// The smallest and the largest parameter at the end.
    var least = 1.0
    var most = 1.0
    /// The updates that rounding undid.
    var lostUpdates = 0
  }

  static let (learningRate, momentum, gradient, stepCount) = (1e-3, 0.9, 0.01, 1000)
  /// Enough that the mean of those rounded at random is close to what it tends to.
  static let parameterCount = 1000

  let paths: [Path]

  init() throws {
    paths = try Storage.allCases.map(Self.path)
  }

  private static func path(_ storage: Storage) throws -> Path {
    let layout = try ParameterLayout(count: parameterCount)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: learningRate, momentum: momentum), threads: 1)
    var gradients = try ParameterVector<Float>(layout)
    gradients.fill(Float(gradient))
    var wide = try ParameterVector<Float>(layout)
    wide.fill(1)
    var split = try SplitParameters(wide, threads: 1)
    var narrow = try ParameterVector<BFloat16>(rounding: wide, threads: 1)
    var path = Path(storage: storage)
    for step in 1...stepCount {
      let report =
        switch storage {
        case .float32: try optimizer.step(&wide, gradients: gradients)
        case .remainders: try optimizer.step(&split, gradients: gradients)
        case .nearest: try optimizer.step(&narrow, rounding: .nearest, gradients: gradients)
        case .stochastic: try optimizer.step(&narrow, rounding: .stochastic(seed: 1), gradients: gradients)
        }
      var (sum, least, most) = (0.0, Double.infinity, -Double.infinity)
      for index in 0..<parameterCount {
        let value =
          switch storage {
          case .float32: Double(wide[index])
          case .remainders: Double(split[index])
          case .nearest, .stochastic: Double(Float(narrow[index]))
          }
        if index == 0 { path.firsts.append(value) }
        (sum, least, most) = (sum + value, min(least, value), max(most, value))
      }
      path.means.append(sum / Double(parameterCount))
      if step == stepCount { (path.least, path.most) = (least, most) }
      path.lostUpdates += report.lostUpdates
    }
    return path
  }

  subscript(storage: Storage) -> Path { paths[Storage.allCases.firstIndex(of: storage)!] }

  // MARK: The report

  static let fileName = "paths/storage.csv"
  static let caption =
    "Where parameters go that start at 1, by how they are stored: learning rate \(learningRate), momentum \(momentum), "
    + "constant gradient \(gradient)."

  /// What follows, in words.
  var finding: String {
    let (nearest, random) = (self[.nearest], self[.stochastic])
    return String(
      format: "After %d small steps from 1 a parameter of Float is at %.4f, and one of BFloat16 with a remainder too; "
        + "of BFloat16, rounded to nearest, at %.4f, for rounding undid %.0f %% of the updates; rounded at random, at %.4f "
        + "on average.",
      Self.stepCount, self[.float32].means.last!, nearest.means.last!,
      100 * Double(nearest.lostUpdates) / Double(Self.stepCount * Self.parameterCount), random.means.last!)
  }

  /// Every tenth step.
  var csv: String {
    var lines = ["step,float32,remainders,nearest,stochastic_mean,stochastic_first"]
    for step in stride(from: 0, through: Self.stepCount, by: 10) {
      let values = paths.map { $0.means[step] } + [self[.stochastic].firsts[step]]
      lines.append("\(step)," + values.map(\.description).joined(separator: ","))
    }
    return lines.joined(separator: "\n") + "\n"
  }

  var picture: Gnuplot.Picture {
    let file = Gnuplot.quoted(Self.fileName)
    func plot(_ column: Int, _ color: String, _ title: String, _ style: String) -> String {
      "\(file) using 1:\(column) skip 1 with \(style) lc rgb '\(color)' title \(Gnuplot.quoted(title))"
    }
    let curves = [
      plot(4, "#d55e00", "BFloat16, rounded to nearest", "lines lw 2.5"),
      plot(2, "#0072b2", "Float; BFloat16 with a remainder", "lines lw 4"),
      plot(5, "#009e73", "BFloat16, rounded at random: mean of \(Self.parameterCount)", "lines lw 1.5"),
      plot(6, "#cc79a7", "one of these", "steps lw 1"),
    ]
    let commands = """
      set title \(Gnuplot.quoted("learning rate \(Self.learningRate), momentum \(Self.momentum), gradient \(Self.gradient)")) font ',13'
      set xlabel 'step'
      set xrange [0:\(Self.stepCount)]
      set ylabel 'parameter' offset 1,0
      set yrange [*:1.01]
      set key bottom left Left reverse
      plot \(curves.joined(separator: ", \\\n  "))
      """
    return Gnuplot.Picture(name: "storage", width: 960, height: 520, commands: commands)
  }

  /// A path as `--json` prints it.
  struct Record: Encodable {
    let storage: String
    let mean, least, most: Double
    let lostUpdates: Int
  }

  var records: [Record] {
    paths.map {
      Record(
        storage: $0.storage.rawValue, mean: $0.means.last!, least: $0.least, most: $0.most, lostUpdates: $0.lostUpdates)
    }
  }
}
