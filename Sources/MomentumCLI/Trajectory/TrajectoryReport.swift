import Foundation
import Momentum
import MomentumFiles

/// The descents of one surface.
struct SurfaceResult: Sendable {
  let surface: TestSurface
  let descents: [Descent]
}

/// The report folder of `momentum trajectory`: a CSV a path, a summary, a picture a surface, and one of parameters
/// that are stored in half precision.
struct TrajectoryReport {
  let results: [SurfaceResult]
  let runner: DescentRunner
  let drift: StorageDrift
  let folder: URL

  /// Writes all files; returns the names of the pictures, `nil` without gnuplot.
  func write(gnuplot: Gnuplot?) throws -> [String]? {
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("paths"), withIntermediateDirectories: true)
    var summary = ["surface,method,learning_rate,momentum,outcome,steps,value"]
    for result in results {
      for descent in result.descents {
        try FileReplacement.write(path(descent), to: folder.appendingPathComponent(file(result.surface, descent)).path)
        summary.append(
          "\(result.surface.rawValue),\(descent.method.rawValue),\(descent.learningRate),"
            + "\(descent.method == .plain ? 0 : runner.momentum),\(descent.outcome.rawValue),\(descent.steps),"
            + "\(descent.points.last!.value)")
      }
    }
    try FileReplacement.write(
      summary.joined(separator: "\n") + "\n", to: folder.appendingPathComponent("summary.csv").path)
    try FileReplacement.write(drift.csv, to: folder.appendingPathComponent(StorageDrift.fileName).path)
    let pictures = results.map(picture) + [drift.picture]
    try Gnuplot.writeScripts(pictures, in: folder)
    let drawn = try gnuplot?.draw(pictures, in: folder)
    try FileReplacement.write(htmlPage(pictures: drawn), to: folder.appendingPathComponent("report.html").path)
    return drawn
  }

  // MARK: The page

  private func htmlPage(pictures: [String]?) throws -> String {
    var page = HTMLPage(title: "Descent with and without momentum")
    page.findings(results.map(finding) + [drift.finding])
    page.paragraph(
      """
      Each method goes down each surface from the same point\(clippingWords), until the value stays at most \
      \(runner.tolerance) for \(DescentRunner.patience) steps, or to step \(runner.maximumSteps). The momentum is \
      \(runner.momentum).
      """)
    page.lines(CommandLine.text)
    page.table(header, rows, leftColumns: [0, 1, 3])
    try page.pictures(
      pictures, in: folder,
      captions: Dictionary(
        uniqueKeysWithValues: results.map {
          ($0.surface.rawValue, "\($0.surface.title): the paths over the level lines, and the value by step.")
        } + [(drift.picture.name, StorageDrift.caption)]))
    page.heading("Files and origin")
    page.files([
      ("summary.csv", "the table above"), ("paths/", "every point of every path"), ("plots/", "the gnuplot commands"),
    ])
    page.lines(MachineRecord.current().summary)
    return page.text
  }

  /// How the gradient is clipped.
  private var clippingWords: String {
    guard case .norm(let limit)? = runner.clipping.whole else { return "" }
    return ", its gradient clipped to norm \(limit)"
  }

  /// What momentum brought on one surface.
  private func finding(_ result: SurfaceResult) -> String {
    let steps = result.descents.map { descent in
      let outcome =
        descent.outcome == .reached ? "reached it in \(descent.steps) steps" : "\(descent.outcome.rawValue)"
      return "\(words(descent.method)) \(outcome)"
    }
    return "\(result.surface.title), to the minimum: \(steps.joined(separator: "; "))."
  }

  private func file(_ surface: TestSurface, _ descent: Descent) -> String {
    "paths/\(surface.rawValue)-\(descent.method.rawValue).csv"
  }

  private func path(_ descent: Descent) -> String {
    let rows = descent.points.enumerated().map { step, point in
      "\(step),\(point.x),\(point.y),\(point.value),\(point.gradientNorm)"
    }
    return (["step,x,y,value,gradient_norm"] + rows).joined(separator: "\n") + "\n"
  }

  // MARK: The table

  private let header = ["surface", "method", "learning rate", "outcome", "steps", "value at the end"]

  private var rows: [[String]] {
    results.flatMap { result in
      result.descents.map { descent in
        [
          result.surface.rawValue, descent.method.rawValue, String(format: "%.3g", descent.learningRate),
          descent.outcome.rawValue, "\(descent.steps)", String(format: "%.2e", descent.points.last!.value),
        ]
      }
    }
  }

  var table: String { TextTable.text(header, rows, leftColumns: [0, 1, 3]) }

  /// A descent as `--json` prints it.
  struct Record: Encodable {
    let surface, method: String
    let learningRate: Double
    let outcome: String
    let steps: Int
    let value: Double
  }

  var records: [Record] {
    results.flatMap { result in
      result.descents.map { descent in
        Record(
          surface: result.surface.rawValue, method: descent.method.rawValue, learningRate: descent.learningRate,
          outcome: descent.outcome.rawValue, steps: descent.steps, value: descent.points.last!.value)
      }
    }
  }

  // MARK: The picture

  /// Left the level lines with the paths, right the value by step.
  private func picture(_ result: SurfaceResult) -> Gnuplot.Picture {
    let (surface, name) = (result.surface, result.surface.rawValue)
    let window = Window(result)
    let colors: [MomentumChoice: String] = [.plain: "#0072b2", .momentum: "#d55e00", .nesterov: "#009e73"]
    func curves(_ columns: String, _ style: String, titled: Bool) -> [String] {
      result.descents.map { descent in
        let rate = String(format: "%.3g", descent.learningRate)
        let steps = descent.outcome == .reached ? "\(descent.steps) steps" : descent.outcome.rawValue
        let words = "\(words(descent.method)), rate \(rate): \(steps)"
        return "\(Gnuplot.quoted(file(surface, descent))) using \(columns) skip 1 with \(style) "
          + "lc rgb '\(colors[descent.method]!)' \(titled ? "title " + Gnuplot.quoted(words) : "notitle")"
      }
    }
    let (start, minimum) = (surface.start, surface.minimum)
    let marks = [
      "'+' using (\(start.x)):(\(start.y)) every ::0::0 with points pt 4 ps 1.4 lw 2 lc rgb 'black' title 'start'",
      "'+' using (\(minimum.x)):(\(minimum.y)) every ::0::0 with points pt 3 ps 1.6 lw 2 lc rgb 'black' title 'minimum'",
    ]
    let paths = curves("2:3", "linespoints lw 1.6 pt 7 ps 0.35", titled: true)
    let values = curves("($1+1):4", "lines lw 2", titled: false)
    let commands = """
      set multiplot layout 1,2 margins 0.045,0.735,0.11,0.89 spacing 0.07,0 \\
        title \(Gnuplot.quoted("\(surface.title): f(x, y) = \(surface.expression.replacing("**", with: "^").replacing("*", with: "·"))")) font ',13' noenhanced
      # Level lines, equally far apart in the logarithm of the value. A table has blanks where the files have commas, so
      # a line of it comes as one column.
      f(x, y) = \(surface.expression)
      set xrange [\(window.x.lowerBound):\(window.x.upperBound)]
      set yrange [\(window.y.lowerBound):\(window.y.upperBound)]
      set samples 301
      set isosamples 301
      unset surface
      set contour base
      set cntrparam levels incremental -4,0.5,8
      set table $levels
      splot log10(f(x, y) + 1e-9)
      unset table
      set xlabel 'x'
      set ylabel 'y' offset 1,0
      set key at screen 0.745,0.89 left top Left reverse vertical
      plot $levels using (word(strcol(1),1)+0):(word(strcol(1),2)+0) with lines lw 0.8 lc rgb '#aaaaaa' title 'levels of f, 2 a decade', \\
        \((paths + marks).joined(separator: ", \\\n  "))
      unset key
      set xrange [1:*]
      set yrange [*:*]
      set logscale xy
      set format y '10^{%T}'
      set xlabel 'step + 1'
      set ylabel 'f(x, y)' offset 1,0
      plot \(values.joined(separator: ", \\\n  "))
      unset logscale
      set format y '%h'
      unset multiplot
      """
    return Gnuplot.Picture(name: name, width: 1400, height: 500, commands: commands)
  }

  private func words(_ method: MomentumChoice) -> String {
    switch method {
    case .plain: "momentum 0"
    case .momentum: "momentum \(runner.momentum)"
    case .nesterov: "Nesterov \(runner.momentum)"
    }
  }
}

/// The part of the plane that a picture shows: all paths and the minimum, with a margin.
private struct Window {
  var x, y: ClosedRange<Double>

  init(_ result: SurfaceResult) {
    let points = result.descents.flatMap(\.points)
    func range(_ values: [Double], _ minimum: Double) -> ClosedRange<Double> {
      let (low, high) = (min(values.min()!, minimum), max(values.max()!, minimum))
      let margin = max(high - low, 1e-3) * 0.1
      return low - margin...high + margin
    }
    x = range(points.map(\.x), result.surface.minimum.x)
    y = range(points.map(\.y), result.surface.minimum.y)
  }
}
