public import Foundation

/// One run of a program that was built beside the tests, usually the `momentum` command, from its start to its end.
public struct CommandRun {
  public let status: Int32
  public let output: String
  public let errors: String

  /// Runs the command and waits for it.
  ///
  /// - Parameters:
  ///   - arguments: What follows the name of the command.
  ///   - program: The program.
  ///   - environment: Variables to set, or with `nil` to remove, in a copy of this process's.
  ///   - folder: The working folder; by default this process's.
  public init(
    _ arguments: [String], of program: String = "momentum", environment: [String: String?] = [:],
    in folder: URL? = nil
  ) throws {
    var variables = ProcessInfo.processInfo.environment
    for (name, value) in environment { variables[name] = value }
    try self.init(Self.productsFolder.appendingPathComponent(program), arguments, variables, folder)
  }

  /// Runs a shell script with bash and waits for it, for what only a shell can arrange: limits, pipes, closed streams.
  ///
  /// `momentum` in it is the command that was built beside the tests; nobody has chosen the number of BLAS threads.
  public init(script: String, in folder: URL) throws {
    var variables = ProcessInfo.processInfo.environment
    variables["PATH"] = "\(Self.productsFolder.path):\(variables["PATH"] ?? "/usr/bin:/bin")"
    for name in ["OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"] { variables[name] = nil }
    try self.init(URL(fileURLWithPath: "/usr/bin/env"), ["bash", "-c", script], variables, folder)
  }

  private init(_ executable: URL, _ arguments: [String], _ environment: [String: String], _ folder: URL?) throws {
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.environment = environment
    if let folder { process.currentDirectoryURL = folder }
    // Files and not pipes: nothing to drain, so nothing can block.
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("momentum-\(UUID())")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    let (output, errors) = (scratch.appendingPathComponent("output"), scratch.appendingPathComponent("errors"))
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

  /// Where SwiftPM puts what it builds; the tests run from there.
  public static var productsFolder: URL {
    #if os(macOS)
      Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }!.bundleURL.deletingLastPathComponent()
    #else
      Bundle.main.bundleURL
    #endif
  }
}
