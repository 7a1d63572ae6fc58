import Foundation
import Momentum

/// The cost of a step as the number of parameters grows.
struct GrowthReport: Encodable {
  struct Row: Encodable {
    let count: Int
    let scalar: String
    let threads: Int
    /// From nothing to the end of the first step: makes the optimizer, its tile sums and its velocity.
    let firstStepSeconds: Double
    let secondsMin: Double
    let secondsMedian: Double
    let nanosecondsPerParameter: Double
    /// The memory that the process gained: parameters, gradients, velocity, and the optimizer's own tables.
    let memoryBytesPerParameter: Double
  }

  let machine = MachineRecord.current()
  private(set) var rows: [Row] = []

  /// - Parameter counts: If empty, decades from 10³ on, and 2·10⁹, as far as the memory allows.
  init(
    counts: [Int], scalars: [BenchRun.Element], threads: Int, repeats: Int, rule: SGD, stop: () -> Bool
  ) throws {
    let decades = [1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 2_000_000_000]
    for scalar in scalars {
      for count in counts.isEmpty ? decades : counts {
        guard !stop() else { return }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: scalar == .float ? 12 : 24)
        // A little stays free: the operating system fails badly without.
        guard !overflow, MemoryNeed.available.map({ Double(bytes) <= 0.95 * Double($0) }) ?? true else {
          guard counts.isEmpty else {
            throw MemoryNeed.TooLarge(count: count, scalar: scalar.rawValue, available: MemoryNeed.available ?? 0)
          }
          Message.write("\(count) elements of \(scalar): left out, the memory is too small")
          continue
        }
        Message.write("\(count) elements of \(scalar)")
        switch scalar {
        case .float: rows.append(try Self.row(Float.self, count, threads, repeats, rule))
        case .double: rows.append(try Self.row(Double.self, count, threads, repeats, rule))
        }
      }
    }
  }

  private static func row<Scalar: LimitScalar>(
    _: Scalar.Type, _ count: Int, _ threads: Int, _ repeats: Int, _ rule: SGD
  ) throws -> Row {
    let before = residentBytes
    let memory = try BenchMemory<Scalar>(ParameterLayout(count: count), threads: threads)
    let start = ContinuousClock.now
    let step = try GrowthStep(memory, rule)
    try step.run()
    let first = (ContinuousClock.now - start) / .seconds(1)
    let resident = residentBytes - before
    let times = try BenchTimer(repeats: repeats).time([step])[0]
    return Row(
      count: count, scalar: "\(Scalar.self)".lowercased(), threads: threads, firstStepSeconds: first,
      secondsMin: times.best, secondsMedian: times.median, nanosecondsPerParameter: times.best / Double(count) * 1e9,
      memoryBytesPerParameter: Double(max(resident, 0)) / Double(count))
  }

  /// Memory of this process that is in RAM.
  private static var residentBytes: Int {
    let pages = Platform.contents(ofSmallFile: "/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap {
      Int($0)
    }
    return (pages ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  var csv: String {
    let lines = rows.map {
      "\($0.count),\($0.scalar),\($0.threads),\($0.firstStepSeconds),\($0.secondsMin),\($0.secondsMedian),"
        + "\($0.nanosecondsPerParameter),\($0.memoryBytesPerParameter)"
    }
    let header =
      "count,scalar,threads,first_step_seconds,seconds_min,seconds_median,nanoseconds_per_parameter,"
      + "memory_bytes_per_parameter"
    return ([header] + lines).joined(separator: "\n") + "\n"
  }

  var text: String {
    let header = ["elements", "scalar", "threads", "first step", "best", "median", "ns/parameter", "bytes/parameter"]
    let cells = rows.map {
      [
        "\($0.count)", $0.scalar, "\($0.threads)", BenchReport.time($0.firstStepSeconds),
        BenchReport.time($0.secondsMin),
        BenchReport.time($0.secondsMedian), String(format: "%.3f", $0.nanosecondsPerParameter),
        String(format: "%.2f", $0.memoryBytesPerParameter),
      ]
    }
    return TextTable.text(header, cells, leftColumns: [1])
  }
}

/// A step with clipping by global norm whose making is part of what is timed.
private final class GrowthStep<Scalar: LimitScalar>: BenchContender {
  private let memory: BenchMemory<Scalar>
  private var optimizer: Optimizer<Scalar>

  init(_ memory: BenchMemory<Scalar>, _ rule: SGD) throws {
    self.memory = memory
    optimizer = try Optimizer(memory.layout, rule: rule, clipping: .byGlobalNorm(1), threads: memory.threads)
  }

  func prepare() {}

  func run() throws { try run(times: 1) }

  func run(times: Int) throws {
    try Scalar.step(&optimizer, memory.parameters, UnsafeBufferPointer(memory.gradients), times: times)
  }
}
