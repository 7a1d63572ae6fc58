import Foundation

/// The memory in use and the open descriptors of this process.
struct ProcessMemory {
  var kilobytes: Int
  var descriptors: Int

  var text: String { "\(kilobytes) \(descriptors)" }

  /// Zeros where there is no /proc.
  static var current: ProcessMemory {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    let kilobytes = line?.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    return ProcessMemory(kilobytes: kilobytes, descriptors: open)
  }
}

/// What ends a soak: something that must not happen.
struct Failure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
