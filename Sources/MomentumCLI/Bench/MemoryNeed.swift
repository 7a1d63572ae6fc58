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
      let count = try size.layout().count
      for scalar in run.scalars {
        let bytes = run.operations(of: scalar).map { $0.bytesPerElement(scalar) }.max() ?? 0
        guard fits(count, bytes) else {
          throw TooLarge(count: count, scalar: scalar.rawValue, bytesPerElement: bytes, available: available)
        }
      }
    }
  }

  /// Whether the memory holds vectors that take some bytes an element.
  ///
  /// - Parameter share: Of the memory that is available.
  static func fits(_ count: Int, _ bytesPerElement: Int, share: Double = 1) -> Bool {
    guard let available else { return true }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: bytesPerElement)
    return !overflow && Double(bytes) <= share * Double(available)
  }

  struct TooLarge: Error, CustomStringConvertible {
    var count: Int
    var scalar: String
    var bytesPerElement: Int
    var available: Int

    var description: String {
      "\(count) elements of \(scalar): vectors of \(bytesPerElement) bytes an element need more than the "
        + "\(available >> 20) MiB that are available"
    }
  }
}
