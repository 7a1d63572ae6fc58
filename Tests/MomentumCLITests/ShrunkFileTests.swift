import Foundation
import MomentumTestSupport
import XCTest

#if os(Linux)
  /// A file that another program cuts short while the command reads it.
  final class ShrunkFileTests: XCTestCase {
    /// Zeros that take no place on the disk, but seconds to read.
    private let elements = 1 << 28

    private func writeLargeFile(_ path: String) throws {
      var header = Data(#"{"w":{"dtype":"F32","shape":[\#(elements)],"data_offsets":[0,\#(4 * elements)]}}"#.utf8)
      header.append(Data(repeating: UInt8(ascii: " "), count: 248 - header.count))
      let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
      try (length + header).write(to: URL(fileURLWithPath: path))
      XCTAssertEqual(truncate(path, 8 + header.count + 4 * elements), 0)
    }

    /// Starts the command, waits until it has mapped the file, stops it, cuts the file, and lets the command go on.
    private func run(_ arguments: [String], cutting path: String, in folder: URL) throws -> (Process, errors: String) {
      let process = Process()
      process.executableURL = CommandRun.productsFolder.appendingPathComponent("momentum")
      process.arguments = arguments
      process.currentDirectoryURL = folder
      let (output, errors) = (folder.appendingPathComponent("output"), folder.appendingPathComponent("errors"))
      for file in [output, errors] { try Data().write(to: file) }
      process.standardOutput = try FileHandle(forWritingTo: output)
      process.standardError = try FileHandle(forWritingTo: errors)
      try process.run()
      let maps = "/proc/\(process.processIdentifier)/maps"
      let name = URL(fileURLWithPath: path).lastPathComponent
      while process.isRunning, !((try? String(contentsOfFile: maps, encoding: .utf8)) ?? "").contains("/\(name)\n") {
        usleep(200)
      }
      kill(process.processIdentifier, SIGSTOP)
      XCTAssertEqual(truncate(path, 8192), 0)
      kill(process.processIdentifier, SIGCONT)
      process.waitUntilExit()
      XCTAssertEqual(try Data(contentsOf: output), Data())
      return (process, String(decoding: try Data(contentsOf: errors), as: UTF8.self))
    }

    func testTheCommandNamesTheFile() throws {
      try TensorFolder<Float>.with { folder in
        let path = folder.path("la\u{1B}rgé")
        let name = URL(fileURLWithPath: path).lastPathComponent
        let clip = ["clip", "--clip-global-norm", "1", "--output", "o", "--gradients", name]
        for arguments in [["norm", name], ["norm", name, "--threads", "1"], clip, clip + ["--threads", "1"]] {
          try writeLargeFile(path)
          let (process, errors) = try run(arguments, cutting: path, in: folder.url)
          XCTAssertEqual(process.terminationReason, .exit, "\(arguments)")
          XCTAssertEqual(process.terminationStatus, 1, "\(arguments)")
          XCTAssertTrue(errors.hasPrefix("Error: /"), errors)
          let cause = #"/la\033rg\303\251: was cut short by another program, or could not be read, while it was in use"#
          XCTAssertTrue(errors.hasSuffix("\(cause)\n"), errors)
          XCTAssertFalse(FileManager.default.fileExists(atPath: folder.path("o")))
        }
      }
    }

    /// The system refuses to write from such a place, without a signal.
    func testTheCommandNamesTheFileWhileItWrites() throws {
      try TensorFolder<Float>.with { folder in
        try folder.write("g", ["a": Array(repeating: 1, count: 1 << 20)])
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = CommandRun.productsFolder.appendingPathComponent("momentum")
        process.arguments = ["clip", "--gradients", "g", "--output", "-"]
        process.currentDirectoryURL = folder.url
        let errors = folder.url.appendingPathComponent("errors")
        try Data().write(to: errors)
        process.standardOutput = pipe
        process.standardError = try FileHandle(forWritingTo: errors)
        try process.run()
        // The command has begun to write, and will wait for a reader when the pipe is full.
        var bytes: CInt = 0
        while process.isRunning, bytes < 1 << 15 {
          XCTAssertEqual(ioctl(pipe.fileHandleForReading.fileDescriptor, UInt(FIONREAD), &bytes), 0)
          usleep(200)
        }
        XCTAssertEqual(truncate(folder.path("g"), 4096), 0)
        XCTAssertLessThan(pipe.fileHandleForReading.readDataToEndOfFile().count, 4 << 20)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 1)
        XCTAssertEqual(
          try String(contentsOf: errors, encoding: .utf8),
          "Error: g: was changed by another program while it was read; expected it to stay as it was\n")
      }
    }
  }
#endif
