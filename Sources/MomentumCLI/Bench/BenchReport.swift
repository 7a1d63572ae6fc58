import Foundation

/// The results of a benchmark, with the machine it ran on.
struct BenchReport: Encodable {
  let machine: MachineRecord
  /// The instruction set of the hand-fused loops.
  let limitKernel: String
  let command: String
  let date: String
  var rows: [BenchRow] = []
  /// The last of the rows asked for is missing if the run was interrupted.
  var complete = false

  init() {
    machine = .current()
    limitKernel = LimitKernel.best.name
    command = CommandLine.text
    date = Date.now.formatted(.iso8601)
  }

  var csv: String { ([BenchRow.csvHeader] + rows.map(\.csv)).joined(separator: "\n") + "\n" }

  static let header = [
    "row", "tensors", "elements", "scalar", "threads", "kernels", "best", "median", "GB/s", "limit", "limit/ours",
    "plain",
    "plain/ours", "F32/ours",
  ]
  static let leftColumns: Set<Int> = [0, 1, 3, 5]

  var cells: [[String]] {
    rows.map { row in
      [
        row.name, row.tensors == "vector" ? "1" : "\(row.tensorCount) (\(row.tensors))", "\(row.count)", row.scalar,
        "\(row.threads)", row.kernels ?? "", Self.time(row.secondsMin), Self.time(row.secondsMedian),
        String(format: "%.1f", row.gigabytesPerSecond), Self.time(row.limitSecondsMin),
        String(format: "%.2f", row.limitRatio),
        row.plainSecondsMin.map(Self.time).map { row.plainFault == nil ? $0 : "\($0), wrong" } ?? "",
        row.plainRatio.map { String(format: "%.2f", $0) } ?? "",
        row.wideRatio.map { String(format: "%.2f", $0) } ?? "",
      ]
    }
  }

  var text: String { TextTable.text(Self.header, cells, leftColumns: Self.leftColumns) }

  /// What is wrong with the results of plain calls, a sentence a row.
  var faults: [String] {
    rows.compactMap { row in
      row.plainFault.map { "\(row.name), \(row.count) elements: the result of the plain calls is wrong: \($0)" }
    }
  }

  /// The first row of each size in words.
  var findings: [String] {
    rows.filter { $0.name == rows[0].name }.map { row in
      let plain = row.plainRatio.map {
        String(format: "; plain BLAS calls on whole vectors: %.2f times as long as ours", $0)
      }
      return
        "\(row.count) parameters (\(row.scalar), at most \(row.threads) threads): \(Self.time(row.secondsMin)) a step; "
        + "hand-fused loops: \(Self.time(row.limitSecondsMin))\(plain ?? "")."
    }
  }

  static let legend = """
    kernels: how the engine ran the step's program, as one fused loop or as calls of BLAS (blas); for norm and clip, how
    it summed squares. GB/s: bytes that the step's program moves, by the best time. limit: hand-fused loops that move the same bytes with the same threads;
    limit/ours 1 is at the limit. plain: OpenBLAS calls on whole vectors with its own threads (for the norm: a dot
    product of each tile, nothing else); plain/ours is how many times as fast we are. Steps that keep something in
    half precision clip by global norm, with momentum 0.9: plain is the long way round there, which widens whole
    vectors, takes a step of Floats and narrows; F32/ours is the time of a step of Floats by ours.
    """

  /// Who and where, in a few lines.
  var heading: String { "\(machine.heading(date))\nlimit: hand-fused loops, \(limitKernel)" }

  /// A time with three digits.
  static func time(_ seconds: Double) -> String {
    let units: [(String, Double)] = [("s", 1), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9)]
    let (unit, scale) = units.first { seconds * $0.1 >= 1 } ?? units[3]
    let value = seconds * scale
    return String(format: value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value) + " " + unit
  }
}

extension MachineRecord {
  /// Who and where, in a few lines.
  func heading(_ date: String) -> String {
    let caches = caches.map { "L\($0.level) \($0.type.lowercased()) \($0.kilobytes) KiB" }
    return """
      momentum \(momentumVersion), Swift \(swiftVersion), \(operatingSystem), \(date)
      processor: \(processor ?? "unknown"), \(availableProcessorCount) of \(processorCount) \
      available, governor \(frequencyGovernor ?? "unknown"); \(caches.joined(separator: ", "))
      memory: \(memoryBytes >> 20) MiB, huge pages \(transparentHugePages ?? "unknown")
      BLAS: \(blas.summary)\(blas.threads.map { ", \($0) threads" } ?? "")\(blas.threading.map { " (\($0))" } ?? "")
      """
  }
}
