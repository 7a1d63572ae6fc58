import Foundation
import MomentumFiles
import MomentumTestSupport
import XCTest

/// Signals, limits and links that the command meets while it writes.
final class EndingSignalTests: XCTestCase {
  private static let momentum = CommandRun.productsFolder.appendingPathComponent("momentum").path

  /// A file of zeros, which takes no place on the disk, and what is clipped from it.
  private func store(elements: Int, in folder: URL) throws -> (input: URL, output: URL) {
    let input = folder.appendingPathComponent("input")
    let output = folder.appendingPathComponent("output")
    var header = Array(#"{"g":{"dtype":"F32","shape":[\#(elements)],"data_offsets":[0,\#(4 * elements)]}}"#.utf8)
    header += [UInt8](repeating: 0x20, count: (8 - header.count % 8) % 8)
    let start = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header
    try Data(start).write(to: input)
    XCTAssertEqual(truncate(input.path, off_t(start.count + 4 * elements)), 0)
    return (input, output)
  }

  private func clip(_ files: (input: URL, output: URL)) -> [String] {
    [
      "clip", "--gradients", files.input.path, "--output", files.output.path, "--clip-global-norm", "1", "--threads",
      "1",
    ]
  }

  /// Whether a process has a file open below a folder that it writes to.
  private func isWriting(_ process: Process, below folder: URL) -> Bool {
    let descriptors = "/proc/\(process.processIdentifier)/fd"
    let numbers = (try? FileManager.default.contentsOfDirectory(atPath: descriptors)) ?? []
    return numbers.contains { number in
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(descriptors)/\(number)"),
        target.hasPrefix(folder.path + "/"), !target.hasSuffix("/input"),
        let info = try? String(contentsOfFile: "/proc/\(process.processIdentifier)/fdinfo/\(number)", encoding: .utf8)
      else { return false }
      // The first bytes have been written.
      return info.firstMatch(of: /pos:\s*(\d+)/).map { Int($0.1)! > 0 } ?? false
    }
  }

  #if os(Linux)
    func testNothingStaysWhenASignalEndsAWrite() throws {
      for signal in [SIGTERM, SIGHUP, SIGINT, SIGXCPU, SIGKILL] {
        try withScratchFolder { folder in
          let folder = folder.resolvingSymlinksInPath()
          let files = try store(elements: 10_000_000, in: folder)
          let process = try stoppedWhileItWrites(files, in: folder)
          kill(process.processIdentifier, signal)
          kill(process.processIdentifier, SIGCONT)
          process.waitUntilExit()
          XCTAssertEqual(process.terminationReason, .uncaughtSignal)
          XCTAssertEqual(process.terminationStatus, signal)
          XCTAssertEqual(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted(), ["input", "output"])
          XCTAssertEqual(try Data(contentsOf: files.output), Data("old".utf8))
        }
      }
    }

    /// The command, stopped in the middle of its output, which is to replace a file.
    private func stoppedWhileItWrites(_ files: (input: URL, output: URL), in folder: URL) throws -> Process {
      for _ in 0..<20 {
        try Data("old".utf8).write(to: files.output)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        // Some of the signals would leave a picture of the memory.
        process.arguments = ["-c", #"ulimit -c 0; exec "$0" "$@""#, Self.momentum] + clip(files)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        while process.isRunning, !isWriting(process, below: folder) { usleep(100) }
        kill(process.processIdentifier, SIGSTOP)
        if isWriting(process, below: folder) { return process }
        // It was faster than this test.
        kill(process.processIdentifier, SIGCONT)
        process.waitUntilExit()
      }
      XCTFail("the command was never found in the middle of its write")
      throw POSIXError(.ETIMEDOUT)
    }
  #endif

  /// A limit of the size of files is an error of the write, and not the end of the process.
  func testALimitOfTheSizeOfFiles() throws {
    try withScratchFolder { folder in
      let files = try store(elements: 1_000_000, in: folder)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", #"ulimit -f 1000; exec "$0" "$@""#, Self.momentum] + clip(files)
      let errors = Pipe()
      process.standardError = errors
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      XCTAssertEqual(process.terminationReason, .exit)
      XCTAssertEqual(process.terminationStatus, 1)
      XCTAssertEqual(text, "Error: \(files.output.path): could not write it: File too large\n")
      XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.path), ["input"])
    }
  }

  /// What is ignored when the command starts, as `nohup` has it, stays ignored.
  func testIgnoredSignalsStayIgnored() throws {
    try withScratchFolder { folder in
      let files = try store(elements: 1000, in: folder)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      // For longer than the command needs to start; what is no more cannot be harmed.
      process.arguments =
        [
          "-c",
          #"""
          trap '' HUP
          "$0" "$@" >/dev/null & child=$!
          for i in 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9; do kill -HUP "$child"; sleep 0.01; done
          wait "$child"
          """#, Self.momentum,
        ] + clip(files)
      try process.run()
      process.waitUntilExit()
      XCTAssertEqual(process.terminationStatus, 0)
      XCTAssertTrue(FileManager.default.fileExists(atPath: files.output.path))
    }
  }

  func testLinksAreRefusedUnlessTheyAreToBeFollowed() throws {
    try withScratchFolder { folder in
      let folder = folder.resolvingSymlinksInPath()
      let files = try store(elements: 4, in: folder)
      let blob = folder.appendingPathComponent("blob")
      try Data("old".utf8).write(to: blob)
      try FileManager.default.createSymbolicLink(atPath: files.output.path, withDestinationPath: "blob")
      let csv = ["bench", "--count", "1e3", "--repeat", "1", "--rows", "step", "--csv", files.output.path]
      let step = [
        "step", "--parameters", files.input.path, "--gradients", files.input.path, "--learning-rate", "1",
        "--output-parameters", folder.appendingPathComponent("new").path, "--output-state", files.output.path,
      ]
      for arguments in [clip(files), csv, step] {
        let refused = try CommandRun(arguments)
        XCTAssertNotEqual(refused.status, 0)
        // Before the work whose result would be lost.
        XCTAssertEqual(refused.output, "")
        XCTAssertFalse(refused.errors.contains("rows"), refused.errors)
        XCTAssertTrue(
          refused.errors.hasPrefix(
            "Error: \(files.output.path): is a symbolic link to '\(blob.path)'; expected the path of a file, or links to be "
              + "followed (--follow-links, SafetensorsWriter.followsLinks)\n"), refused.errors)
        XCTAssertEqual(try Data(contentsOf: blob), Data("old".utf8))

        let followed = try CommandRun(arguments + ["--follow-links"])
        XCTAssertEqual(followed.status, 0, followed.errors)
        XCTAssertNotEqual(try Data(contentsOf: blob), Data("old".utf8))
        XCTAssertEqual(try FileManager.default.destinationOfSymbolicLink(atPath: files.output.path), "blob")
        try Data("old".utf8).write(to: blob)
      }
      XCTAssertEqual(
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted(), ["blob", "input", "new", "output"])
    }
  }
}
