import Foundation

/// A process that is left alone for a while and then ended by a signal, or that ends by itself.
struct ChildProcess {
  let output: String
  let errors: String
  /// Whether the signal ended it; otherwise it was over before.
  let wasKilled: Bool
  let status: Int32

  /// - Parameter signal: Sent after so many seconds; `nil` lets it run to its end.
  init(_ executable: String, _ arguments: [String], signal: Int32? = nil, after seconds: Double = 0) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    // Files and not pipes: nothing to drain, so nothing can block.
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("momentum-soak-\(UUID())")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    let files = ["output", "errors"].map { scratch.appendingPathComponent($0) }
    for file in files { try Data().write(to: file) }
    let handles = try files.map { try FileHandle(forWritingTo: $0) }
    (process.standardOutput, process.standardError) = (handles[0], handles[1])
    try process.run()
    if let signal {
      usleep(UInt32(seconds * 1e6))
      if process.isRunning { kill(process.processIdentifier, signal) }
    }
    process.waitUntilExit()
    for handle in handles { try handle.close() }
    wasKilled = process.terminationReason == .uncaughtSignal
    status = process.terminationStatus
    (output, errors) = (
      String(decoding: try Data(contentsOf: files[0]), as: UTF8.self),
      String(decoding: try Data(contentsOf: files[1]), as: UTF8.self)
    )
  }
}
