import Foundation
import MomentumTestSupport

/// One run of a shell script that calls `momentum`, for what only a shell can arrange: limits, pipes, closed streams.
struct ShellRun {
  let status: Int32
  let output: String
  let errors: String

  /// Runs a script with bash and waits for it; `momentum` in it is the command that was built beside the tests.
  init(_ script: String, in folder: URL) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["bash", "-c", script]
    process.currentDirectoryURL = folder
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["PATH": "\(CommandRun.productsFolder.path):\(path)"]) { $1 }
    for variable in ["OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"] {
      process.environment?[variable] = nil
    }
    let (output, errors) = (folder.appendingPathComponent(".output"), folder.appendingPathComponent(".errors"))
    for file in [output, errors] { try Data().write(to: file) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    status = process.terminationStatus
    self.output = String(decoding: try Data(contentsOf: output), as: UTF8.self)
    self.errors = String(decoding: try Data(contentsOf: errors), as: UTF8.self)
  }
}
