import Foundation
import MomentumTestSupport
import XCTest

@testable import MomentumCLI

#if canImport(Glibc)
  /// The command under limits of the address space and of threads, which batch systems set: OpenBLAS's threads want
  /// 128 MiB each, and the command does not need them.
  final class ProcessLimitTests: XCTestCase {
    private func succeed(_ script: String, in folder: TensorFolder<Float>, prints words: String, line: UInt = #line)
      throws
    {
      // A command that hangs is ended, and its status is 124.
      let run = try CommandRun(script: script, in: folder.url)
      XCTAssertEqual(run.status, 0, "\(script)\n\(run.errors)", line: line)
      XCTAssertTrue(run.output.hasPrefix(words), "\(script)\n\(run.output)", line: line)
      XCTAssertEqual(run.errors, "", script, line: line)
    }

    override func setUpWithError() throws {
      let isSanitized = dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil
      try XCTSkipIf(isSanitized, "sanitizers take terabytes of address space, and start in another way")
    }

    /// The libraries themselves take more than a hundred thousand kilobytes. From the limit on with which the process
    /// starts, it works.
    func testRunsWithLittleAddressSpace() throws {
      try TensorFolder<Float>.with { folder in
        try folder.write("s", ["weight": [3, 4]])
        var tested = 0
        for limit in stride(from: 100_000, through: 300_000, by: 20_000) {
          let starts = try CommandRun(
            script: "ulimit -v \(limit); OPENBLAS_NUM_THREADS=1 momentum --version", in: folder.url)
          guard starts.status == 0 else { continue }
          tested += 1
          let command = "ulimit -v \(limit); timeout 60 momentum"
          try succeed("\(command) norm s", in: folder, prints: "norm 5.0")
          try succeed("\(command) --version", in: folder, prints: "0.")
        }
        XCTAssertGreaterThan(tested, 2)
      }
    }

    /// A file that can be mapped may have tensors whose copies are too large.
    func testWhatIsTooLargeForMemoryIsAnError() throws {
      try TensorFolder<Float>.with { folder in
        /// A file of one tensor of zeros that takes no place on the disk. Its data begin behind a header of an odd length.
        func write(_ name: String, _ dtype: String, _ count: Int, bytes: Int, isAligned: Bool) throws {
          var header = #"{"w":{"dtype":"\#(dtype)","shape":[\#(count)],"data_offsets":[0,\#(bytes)]}}"#
          while header.utf8.count % 8 != (isAligned ? 0 : 1) { header += " " }
          let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
          try (length + Data(header.utf8)).write(to: URL(fileURLWithPath: folder.path(name)))
          let file = try XCTUnwrap(FileHandle(forWritingAtPath: folder.path(name)))
          try file.truncate(atOffset: UInt64(8 + header.utf8.count + bytes))
          try file.close()
        }
        let gigabyte = 1 << 30
        try write("halves", "BF16", gigabyte, bytes: 2 * gigabyte, isAligned: true)
        try write("odd", "F32", gigabyte / 2, bytes: 2 * gigabyte, isAligned: false)
        let table = [
          (
            "clip --gradients halves --output out --output-type f32 --clip-global-norm 1 --total-norm 2",
            "Error: halves: could not allocate 4294967296 bytes\n"
          ),
          ("norm odd", "Error: odd: could not allocate 2147483648 bytes for tensor 'w': Cannot allocate memory\n"),
        ]
        for (command, text) in table {
          // Room for the file, and not for a copy as large.
          let run = try CommandRun(
            script: "ulimit -v 3700000; OPENBLAS_NUM_THREADS=1 timeout 60 momentum \(command)", in: folder.url)
          assertFails(run, 1, text)
          XCTAssertFalse(folder.has("out"))
        }
      }
    }

    func testRunsWhereNoThreadCanStart() throws {
      try TensorFolder<Float>.with { folder in
        try folder.write("s", ["weight": [3, 4]])
        // The limit does not hold for root, so another user runs a copy where that user can reach it.
        let user = geteuid() == 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups" : ""
        try succeed(
          """
          cp "$(command -v momentum)" copy && chmod 755 . copy && chmod 644 s
          exec \(user) prlimit --nproc=2 timeout --foreground 60 ./copy norm s
          """, in: folder, prints: "norm 5.0")
      }
    }

    func testOpenBLASHasOneThreadUnlessSomebodyWantsMore() throws {
      try TensorFolder<Float>.with { folder in
        func blas(_ script: String) throws -> [String: Any] {
          let run = try CommandRun(script: script, in: folder.url)
          XCTAssertEqual(run.status, 0, run.errors)
          let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
          let machine = try XCTUnwrap(object?["machine"] as? [String: Any])
          return try XCTUnwrap(machine["blas"] as? [String: Any])
        }
        let usual = try blas("momentum info --json")
        XCTAssertEqual(usual["threads"] as? Int, 1)
        XCTAssertEqual(usual["threadsChosenBy"] as? String, "momentum")
        for variable in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"] {
          let wanted = try blas("\(variable)=1 momentum info --json")
          XCTAssertEqual(wanted["threads"] as? Int, 1)
          XCTAssertEqual(wanted["threadsChosenBy"] as? String, "environment")
        }
        // The bench times OpenBLAS as it is.
        let bench = try blas("momentum bench --count 1e3 --rows step --repeat 1 --json")
        XCTAssertEqual(bench["threadsChosenBy"] as? String, "library")
        let text = try CommandRun(script: "momentum info", in: folder.url).output
        XCTAssertTrue(text.contains("chosen by momentum: the engine has threads of its own"), text)
      }
    }

    /// Programs that the command starts get the environment of its caller.
    func testTheStartLeavesNoTraceInTheEnvironment() throws {
      try TensorFolder<Float>.with { folder in
        let gnuplot = folder.path("gnuplot")
        try "#!/bin/sh\nenv > '\(folder.path("environment"))'\n".write(
          toFile: gnuplot, atomically: true, encoding: .utf8)
        let run = try CommandRun(
          script: """
            chmod +x gnuplot
            env > caller
            momentum trajectory --surfaces quadratic --learning-rate 0.01 --maximum-steps 10 --output report \
              --gnuplot "$PWD/gnuplot"
            """, in: folder.url)
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder.path("environment")), run.errors)
        let environment = try String(contentsOfFile: folder.path("environment"), encoding: .utf8)
        XCTAssertTrue(environment.contains("PATH="), environment)
        // A shell says how deep it is, where, and what it has run last.
        func lines(_ text: String) -> [Substring] {
          text.split(separator: "\n").filter { line in
            !["SHLVL=", "PWD=", "OLDPWD=", "_="].contains { line.hasPrefix($0) }
          }.sorted()
        }
        XCTAssertEqual(
          lines(environment), lines(try String(contentsOfFile: folder.path("caller"), encoding: .utf8)))
        // One of these was lent to OpenBLAS.
        for name in ["SHLVL", "PWD", "PATH"] { XCTAssertTrue(environment.contains("\(name)="), environment) }
      }
    }
  }
#endif
