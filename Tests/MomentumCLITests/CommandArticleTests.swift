import Foundation
import MomentumTestSupport
import XCTest

/// The shell commands of the article on the command, run as they stand there.
final class CommandArticleTests: XCTestCase {
  func testEveryBlockRuns() throws {
    let blocks = try Self.blocks()
    XCTAssertEqual(blocks.count, 5)
    try withScratchFolder { folder in
      try Self.run(blocks[0], in: folder)
      XCTAssertEqual(try Self.floats(folder, "parameters"), [1, 2])
      XCTAssertEqual(try Self.floats(folder, "gradients"), [3, 4])

      let output = try Self.run(blocks[1], in: folder)
      XCTAssertTrue(output.contains("weight"), output)
      XCTAssertEqual(try Self.floats(folder, "clipped"), [1.5, 2])
      XCTAssertEqual(try Self.floats(folder, "new"), [0.25, 1])
      XCTAssertEqual(try Self.floats(folder, "velocity"), [1.5, 2])

      try Self.run(blocks[2], in: folder)
      XCTAssertEqual(try Self.floats(folder, "piped"), [1.5, 2])

      XCTAssertTrue(try Self.run(blocks[3], in: folder).hasSuffix("\nnorm 0.5  0x1p-1\n"))
      XCTAssertEqual(try Self.floats(folder, "stepped/parameters"), [-0.5, 0])

      try Self.run(blocks[4], in: folder)
      let moved = try Self.floats(folder, "new")
      XCTAssertEqual(moved[0], 0.245, accuracy: 1e-6, "the decay of 0.01 is added to the clipped gradient")
      XCTAssertEqual(moved[1], 0.99, accuracy: 1e-6)
      XCTAssertEqual(try Self.floats(folder, "average"), moved, "the average begins with the parameters")
    }
  }

  /// The fences of shell commands, in their order.
  private static func blocks() throws -> [String] {
    let article = Checkout.root.appendingPathComponent("Sources/Momentum/Documentation.docc/Command.md")
    let text = try String(contentsOf: article, encoding: .utf8)
    return text.matches(of: /(?m)^```sh\n((?:.*\n)*?)```$/).map { String($0.output.1) }
  }

  /// Runs commands with the `momentum` that was built beside the tests; what they printed to either stream.
  @discardableResult
  private static func run(_ commands: String, in folder: URL) throws -> String {
    let (process, pipe) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-eu", "-c", commands]
    process.currentDirectoryURL = folder
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["PATH": "\(CommandRun.productsFolder.path):/usr/bin:/bin"]) { $1 }
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 0, "\(commands)\n\(output)")
    return output
  }

  /// The one tensor of a file, which ends with its two numbers.
  private static func floats(_ folder: URL, _ name: String) throws -> [Float] {
    let data = try Data(contentsOf: folder.appendingPathComponent("\(name).safetensors"))
    return [UInt8](data.suffix(8)).withUnsafeBytes { bytes in
      [0, 4].map { Float(bitPattern: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)) }
    }
  }
}
