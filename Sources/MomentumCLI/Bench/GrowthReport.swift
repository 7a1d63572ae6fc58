import Foundation
import Momentum

/// The cost of a step as the number of parameters grows.
struct GrowthReport: Encodable {
  struct Row: Encodable {
    let count: Int
    let scalar: String
    /// What is kept in half precision; left out if nothing is.
    let storage: String?
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

  /// - Parameters:
  ///   - counts: If empty, decades from 10³ on, and 2·10⁹, as far as the memory allows.
  ///   - storages: What steps of `Float`s keep in half precision, beside those that keep nothing.
  init(
    counts: [Int], scalars: [BenchRun.Element], storages: [StepStorage], threads: Int, repeats: Int, rule: SGD,
    stop: () -> Bool
  ) throws {
    let decades = [1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 2_000_000_000]
    for scalar in scalars {
      for count in counts.isEmpty ? decades : counts {
        for storage in [nil] + (scalar == .float ? storages.map { $0 } : []) {
          guard !stop() else { return }
          let bytes = storage?.bytesKept ?? 3 * scalar.byteCount
          // A little stays free: the operating system fails badly without.
          guard MemoryNeed.fits(count, bytes, share: 0.95) else {
            guard counts.isEmpty else {
              throw MemoryNeed.TooLarge(
                count: count, scalar: scalar.rawValue, bytesPerElement: bytes, available: MemoryNeed.available ?? 0)
            }
            Message.write("\(count) elements of \(scalar): left out, the memory is too small")
            continue
          }
          Message.write("\(count) elements of \(scalar)\(storage.map { ", \($0.name)" } ?? "")")
          rows.append(try Self.row(scalar, storage, count, threads, repeats, rule))
        }
      }
    }
  }

  private static func row(
    _ scalar: BenchRun.Element, _ storage: StepStorage?, _ count: Int, _ threads: Int, _ repeats: Int, _ rule: SGD
  ) throws -> Row {
    let before = residentBytes
    let layout = try ParameterLayout(count: count)
    let make: () throws -> any BenchContender
    if let storage {
      let vectors = try HalfVectors(storage, layout, threads: threads)
      make = { try GrowthHalfStep(vectors, rule, threads: threads) }
    } else if scalar == .float {
      let memory = try BenchMemory<Float>(layout, threads: threads)
      make = { try GrowthStep(memory, rule) }
    } else {
      let memory = try BenchMemory<Double>(layout, threads: threads)
      make = { try GrowthStep(memory, rule) }
    }
    let start = ContinuousClock.now
    let step = try make()
    try step.run()
    let first = (ContinuousClock.now - start) / .seconds(1)
    let resident = residentBytes - before
    let times = try BenchTimer(repeats: repeats).time([step])[0]
    return Row(
      count: count, scalar: scalar.rawValue, storage: storage?.rawValue, threads: threads, firstStepSeconds: first,
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
        + "\($0.nanosecondsPerParameter),\($0.memoryBytesPerParameter),\($0.storage ?? "")"
    }
    let header =
      "count,scalar,threads,first_step_seconds,seconds_min,seconds_median,nanoseconds_per_parameter,"
      + "memory_bytes_per_parameter,storage"
    return ([header] + lines).joined(separator: "\n") + "\n"
  }

  var text: String {
    let header = [
      "elements", "scalar", "half precision", "threads", "first step", "best", "median", "ns/parameter",
      "bytes/parameter",
    ]
    let cells = rows.map {
      [
        "\($0.count)", $0.scalar, $0.storage ?? "", "\($0.threads)", BenchReport.time($0.firstStepSeconds),
        BenchReport.time($0.secondsMin),
        BenchReport.time($0.secondsMedian), String(format: "%.3f", $0.nanosecondsPerParameter),
        String(format: "%.2f", $0.memoryBytesPerParameter),
      ]
    }
    return TextTable.text(header, cells, leftColumns: [1, 2])
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

/// The same of parameters that are kept in half precision.
private final class GrowthHalfStep: BenchContender {
  private let vectors: HalfVectors
  private var optimizer: Optimizer<Float>

  init(_ vectors: HalfVectors, _ rule: SGD, threads: Int) throws {
    self.vectors = vectors
    optimizer = try Optimizer(
      vectors.layout, rule: rule, clipping: .byGlobalNorm(1), velocityType: vectors.storage.velocityType,
      threads: threads)
  }

  func prepare() {}
  func run() throws { try run(times: 1) }
  func run(times: Int) throws { try vectors.step(&optimizer, times: times) }
}
