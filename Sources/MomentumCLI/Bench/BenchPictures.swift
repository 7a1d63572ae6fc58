import Foundation
import MomentumFiles

/// The pictures of a benchmark, as gnuplot commands over small tables.
struct BenchPictures {
  let report: BenchReport

  private let colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]

  /// Writes tables, commands and, with gnuplot, pictures; returns the names of the pictures, `nil` without gnuplot.
  func write(to folder: URL, gnuplot: Gnuplot?) throws -> [String]? {
    try FileReplacement.write(report.csv, to: folder.appendingPathComponent("bench.csv").path)
    try FileReplacement.write(JSONOutput.text(report) + "\n", to: folder.appendingPathComponent("bench.json").path)
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("tables"), withIntermediateDirectories: true)
    var pictures: [Gnuplot.Picture] = []
    for draft in [speedBySize, speedByThreads, ratios].compactMap({ $0 }) {
      for (name, table) in draft.tables {
        try FileReplacement.write(table, to: folder.appendingPathComponent("tables/\(name).csv").path)
      }
      pictures.append(draft.picture)
    }
    try Gnuplot.writeScripts(pictures, in: folder)
    let drawn = try gnuplot?.draw(pictures, in: folder)
    try FileReplacement.write(htmlPage(drawn, in: folder), to: folder.appendingPathComponent("report.html").path)
    return drawn
  }

  /// The report for a browser.
  private func htmlPage(_ drawn: [String]?, in folder: URL) throws -> String {
    var page = HTMLPage(title: "Benchmark of clipped momentum steps")
    page.findings(report.findings + report.faults)
    page.lines(report.command)
    page.table(BenchReport.header, report.cells, leftColumns: BenchReport.leftColumns)
    page.paragraph(BenchReport.legend.replacing("\n", with: " "))
    try page.pictures(
      drawn, in: folder,
      captions: [
        "speed-by-size":
          "Speed of the step by the number of parameters, beside the hand-fused limit and plain BLAS calls.",
        "speed-by-threads": "Speed of the step by the number of threads, beside the hand-fused limit.",
        "ratios":
          "Times as long as ours that the hand-fused limit and plain BLAS calls take, or, where something is kept in half precision, a step of widened vectors.",
      ])
    page.heading("Files and origin")
    page.files([
      ("bench.csv", "the table above"), ("bench.json", "the same with the machine"), ("tables/", "the curves"),
      ("plots/", "the gnuplot commands"),
    ])
    page.lines(report.heading)
    return page.text
  }

  private typealias Draft = (picture: Gnuplot.Picture, tables: [(name: String, text: String)])

  /// The step asked for.
  private var stepRows: [BenchRow] { report.rows.filter { $0.name == report.rows[0].name } }

  private var mostThreads: Int { report.rows.map(\.threads).max()! }

  private func unique<Value: Hashable>(_ values: [Value]) -> [Value] {
    var seen: Set<Value> = []
    return values.filter { seen.insert($0).inserted }
  }

  /// One table a scalar: `key`, GB/s of ours, the limit and the plain calls.
  private func curves(
    _ rows: [BenchRow], _ prefix: String, key: KeyPath<BenchRow, Int>, plain: Bool
  ) -> (plots: [String], tables: [(name: String, text: String)]) {
    var (plots, tables): ([String], [(name: String, text: String)]) = ([], [])
    for (place, scalar) in unique(rows.map(\.scalar)).enumerated() {
      let ofScalar = rows.filter { $0.scalar == scalar }.sorted { $0[keyPath: key] < $1[keyPath: key] }
      let lines = ofScalar.map { row in
        let speeds = [row.secondsMin, row.limitSecondsMin, row.plainSecondsMin ?? .nan]
          .map { Double(row.bytes) / $0 * 1e-9 }
        return ([Double(row[keyPath: key])] + speeds).map(\.description).joined(separator: ",")
      }
      let name = "\(prefix)-\(scalar)"
      tables.append((name, ("key,ours,limit,plain\n" + lines.joined(separator: "\n") + "\n")))
      let file = Gnuplot.quoted("tables/\(name).csv")
      let color = "lc rgb '\(colors[place % colors.count])'"
      plots.append("\(file) using 1:2 skip 1 with linespoints lw 2 pt 7 ps 0.7 \(color) title 'momentum, \(scalar)'")
      plots.append(
        "\(file) using 1:3 skip 1 with linespoints lw 1.5 dt 2 pt 6 ps 0.7 \(color) title 'limit, \(scalar)'")
      if plain, ofScalar.contains(where: { $0.plain != nil }) {
        plots.append(
          "\(file) using 1:4 skip 1 with linespoints lw 1.5 dt 3 pt 8 ps 0.7 \(color) "
            + "title 'OpenBLAS calls on whole vectors, \(scalar)'")
      }
    }
    return (plots, tables)
  }

  private var speedBySize: Draft? {
    let rows = stepRows.filter { $0.threads == mostThreads && $0.tensors == "vector" }
    guard Set(rows.map(\.count)).count > 1 else { return nil }
    let (plots, tables) = curves(rows, "speed-by-size", key: \.count, plain: true)
    let commands = """
      set title \(Gnuplot.quoted("\(rows[0].name), \(mostThreads) threads")) font ',13'
      set logscale x
      set format x '10^{%T}'
      set xrange [\(Double(rows.map(\.count).min()!) * 0.7):\(Double(rows.map(\.count).max()!) * 1.4)]
      set xlabel 'parameters'
      set ylabel 'GB/s (bytes of the fused step by the best time)'
      set yrange [0:*]
      set key outside bottom center Left reverse horizontal
      plot \(plots.joined(separator: ", \\\n  "))
      """
    return (Gnuplot.Picture(name: "speed-by-size", width: 960, height: 560, commands: commands), tables)
  }

  private var speedByThreads: Draft? {
    let largest = stepRows.filter { $0.tensors == "vector" }.map(\.count).max()
    let rows = stepRows.filter { $0.tensors == "vector" && $0.count == largest }
    guard Set(rows.map(\.threads)).count > 1 else { return nil }
    // OpenBLAS has threads of its own, as many in every row.
    let (plots, tables) = curves(rows, "speed-by-threads", key: \.threads, plain: false)
    let commands = """
      set title \(Gnuplot.quoted("\(rows[0].name), \(rows[0].count) parameters")) font ',13'
      set xlabel 'threads'
      set ylabel 'GB/s (bytes of the fused step by the best time)'
      set xrange [0.8:\(Double(mostThreads) + 0.2)]
      set xtics 1
      set yrange [0:*]
      set key outside bottom center Left reverse horizontal
      plot \(plots.joined(separator: ", \\\n  "))
      """
    return (Gnuplot.Picture(name: "speed-by-threads", width: 960, height: 560, commands: commands), tables)
  }

  /// Bars of limit/ours and plain/ours, a row each, for the largest size.
  private var ratios: Draft? {
    let sizes = report.rows.filter { $0.threads == mostThreads && $0.scalar == report.rows[0].scalar }
    guard let largest = sizes.map(\.count).max() else { return nil }
    let rows = sizes.filter { $0.count == largest }
    let lines = rows.map { row in
      "\"\(row.name)\",\(row.limitRatio),\(row.plainRatio.map(\.description) ?? "nan")"
    }
    func bars(_ column: Int, from low: Double, color: String, title: String) -> String {
      "'tables/ratios.csv' using (0):0:(0):\(column):($0+\(low)):($0+\(low + 0.36)):ytic(1) skip 1 with boxxyerror "
        + "fs solid 0.9 noborder lc rgb '\(color)' title '\(title)'"
    }
    let commands = """
      set title '\(largest) parameters of type \(rows[0].scalar), \(mostThreads) threads' font ',13'
      set xlabel 'time divided by our time'
      set xrange [0:*]
      set yrange [\(rows.count):-1]
      set lmargin 46
      set ytics scale 0
      set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.2 dt 2 lc rgb 'black' front
      set key outside bottom center horizontal
      plot \(bars(2, from: -0.38, color: colors[0], title: "limit (1: we are at it)")), \\
        \(bars(3, from: 0.02, color: colors[1], title: "plain calls, or widen, step and narrow (above 1: we are faster)"))
      """
    let table = "row,limit_by_ours,plain_by_ours\n" + lines.joined(separator: "\n") + "\n"
    return (
      Gnuplot.Picture(name: "ratios", width: 960, height: 160 + 44 * rows.count, commands: commands),
      [("ratios", table)]
    )
  }
}
