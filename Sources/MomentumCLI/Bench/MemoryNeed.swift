import Foundation
import Momentum

/// The memory that a benchmark's vectors need, and the memory that the machine has.
enum MemoryNeed {
  /// Bytes that can be had without swapping; `nil` if the system does not say.
  static var available: Int? {
    guard let text = Platform.contents(ofSmallFile: "/proc/meminfo"),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }),
      let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return nil }
    return kilobytes << 10
  }

  /// Fails before anything is measured if a row's vectors would not fit, unless those rows are to be left out.
  static func check(_ run: BenchRun) throws {
    guard let available, !run.skipsTooLarge else { return }
    for size in run.sizes {
      for scalar in run.scalars where try !fits(size, scalar) {
        throw TooLarge(count: try size.layout().count, scalar: scalar.rawValue, available: available)
      }
    }
  }

  /// Whether the memory holds the vectors of a row.
  static func fits(_ size: BenchSize, _ scalar: BenchRun.Element) throws -> Bool {
    guard let available else { return true }
    let stride = scalar == .float ? 4 : 8
    let (bytes, overflow) = try size.layout().count.multipliedReportingOverflow(
      by: BenchMemory<Float>.vectorCount * stride)
    return !overflow && bytes <= available
  }

  struct TooLarge: Error, CustomStringConvertible {
    var count: Int
    var scalar: String
    var available: Int

    var description: String {
      "\(count) elements of \(scalar): \(BenchMemory<Float>.vectorCount) vectors need more than the \(available >> 20) MiB "
        + "that are available"
    }
  }
}
