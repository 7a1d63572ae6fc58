import ArgumentParser
import Foundation
import Momentum
import MomentumFiles

struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Say which BLAS runs on which machine, and check its results; or say what a checkpoint holds.",
    discussion: """
      With paths: lists the tensors of files, of an index (model.safetensors.index.json) or of a folder with one of them, with \
      their types, shapes and sizes, and the totals of each type. Only headers are read.

      Without: says which file serves BLAS, who has chosen its kernels, and how it rounds, with a warning for what costs speed or \
      digits; runs every BLAS routine that the library uses on many lengths and alignments and compares the results with \
      plain loops; exits with 1 if any of them is wrong.
      """
  )

  @Argument(help: "Files, indices or folders of one checkpoint.")
  var paths: [String] = []

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    guard paths.isEmpty else { return try showCheckpoint() }
    let bits = BLAS.LibraryInfo.current.integerWidth
    guard bits == 32 else {
      let check = SelfCheckReport(refusal: "this BLAS counts with \(bits)-bit integers; expected 32 bits")
      return try show(Report(machine: .current(), selfCheck: check))
    }
    let start = ContinuousClock.now
    let failures = BLAS.selfCheck()
    let time = ContinuousClock.now - start
    try show(Report(machine: .current(), selfCheck: SelfCheckReport(failures, time: time)))
  }

  private func showCheckpoint() throws {
    for path in paths { try StandardStream.refuseInput(path) }
    let set = try SafetensorsSet(paths: paths)
    let info = CheckpointInfo(set)
    for warning in info.warnings { Message.write("Warning: \(warning)") }
    if json { try JSONOutput.print(info) } else { try StandardOutput.print(info.text) }
  }

  /// Prints the report; fails if the self-check did.
  func show(_ report: Report) throws {
    if json {
      try JSONOutput.print(report)
    } else {
      try StandardOutput.print(report.text)
    }
    if !report.selfCheck.passed {
      Message.write(report.selfCheck.summary)
      throw ExitCode.failure
    }
  }

  /// The output of the command.
  struct Report: Encodable {
    let machine: MachineRecord
    let selfCheck: SelfCheckReport

    var text: String {
      let blas = machine.blas
      var rows = [
        ("momentum", machine.momentumVersion),
        ("Swift", machine.swiftVersion),
        ("system", machine.operatingSystem),
        ("processor", machine.processor ?? "unknown"),
        ("processors", Self.processors(machine)),
      ]
      if !machine.caches.isEmpty {
        let caches = machine.caches.map { "L\($0.level) \($0.type.lowercased()) \($0.kilobytes) KiB" }
        rows.append(("caches", caches.joined(separator: ", ")))
      }
      rows.append(("memory", "\(machine.memoryBytes >> 20) MiB"))
      rows.append(("huge pages", machine.transparentHugePages ?? "unknown"))
      rows += [
        ("BLAS", blas.name),
        ("version", blas.version ?? "unknown"),
        ("file", blas.file ?? "unknown"),
        ("core type", "\(blas.coreType ?? "unknown"): \(blas.kernelChoice)"),
        ("BLAS threads", Self.threads(blas)),
        ("integers", "\(blas.integerBits) bits"),
        ("rounding", Self.rounding(blas)),
        ("fused loops", Self.fusedLoops(machine)),
        ("norms", Self.norms(blas)),
      ]
      rows += blas.warnings.map { ("warning", $0) }
      rows += [
        ("self-check", selfCheck.summary)
      ]
      let width = rows.map(\.0.count).max()! + 2
      return rows.map { $0.0.padding(toLength: width, withPad: " ", startingAt: 0) + $0.1 }.joined(separator: "\n")
    }

    /// How many processors this process uses, and what limits them.
    static func processors(_ machine: MachineRecord) -> String {
      let uses = "\(machine.availableProcessorCount) of \(machine.processorCount) available to this process"
      if let quota = machine.processorQuota, quota < machine.boundProcessorCount {
        return "\(uses), by the processor time that its control group grants"
      }
      return machine.boundProcessorCount < machine.processorCount ? "\(uses), by its affinity" : uses
    }

    /// How many threads the BLAS may start, and why.
    static func threads(_ blas: BLASRecord) -> String {
      guard let threads = blas.threads, let threading = blas.threading else { return "unknown" }
      let reason =
        switch blas.threadsChosenBy {
        case _ where threading == "sequential": "this build has no others"
        case .library where threading == "openmp": "as OpenMP has them; they start with a call that needs them"
        case .library:
          "chosen by OpenBLAS; a program that needs no others than the engine's sets \(Launch.threadsVariable)=1"
        case .environment: "set in the environment"
        case .momentum: "chosen by momentum: the engine has threads of its own"
        }
      return "\(threads), \(threading): \(reason)"
    }

    /// How steps run their programs.
    static func fusedLoops(_ machine: MachineRecord) -> String {
      guard let vectors = machine.fusedLoops else { return "none for this processor; steps call BLAS" }
      guard machine.blas.axpyRounding == BLAS.Behavior.Rounding.fused.rawValue else {
        return "not used: they would give other bits than this BLAS, which steps call"
      }
      return "\(vectors); steps use them where a program has one, and otherwise call BLAS"
    }

    /// How norms sum the squares of a tile.
    static func norms(_ blas: BLASRecord) -> String {
      switch (blas.floatNormLoop, blas.doubleNormLoop) {
      case (nil, nil): "call dot for each tile"
      case (let float?, nil):
        "\(float) for Float, several tiles at a time with the bits of dot; of Double they call dot"
      case (nil, let double?):
        "\(double) for Double, several tiles at a time with the bits of dot; of Float they call dot"
      case (let float?, let double?):
        "\(float == double ? float : "\(float) (Float), \(double) (Double)"), several tiles at a time with the bits of dot"
      }
    }

    /// What the probes have found.
    static func rounding(_ blas: BLASRecord) -> String {
      let dot = blas.dotDependsOnAlignment ? "depends on alignment" : "does not depend on alignment"
      let errors = String(
        format: "%.1f (Float) and %.1f (Double) units of the last place", blas.floatSumError, blas.doubleSumError)
      return "axpy \(blas.axpyRounding); dot \(dot); the sum of a tile's squares is off by \(errors) at most"
    }
  }

  /// The verdict of the self-check, and the first failure of each routine.
  struct SelfCheckReport: Encodable {
    struct Failure: Encodable {
      let routine, scalar: String
      let length, offset: Int
      let expected, found, tolerance: Double
    }

    let passed: Bool
    let milliseconds: Double
    let failureCount: Int
    let firstFailures: [Failure]
    /// Why nothing was checked.
    let refusal: String?

    /// For a library that cannot be called.
    init(refusal: String) {
      (passed, milliseconds, failureCount, firstFailures, self.refusal) = (false, 0, 0, [], refusal)
    }

    init(_ failures: [BLAS.SelfCheckFailure], time: Duration) {
      refusal = nil
      passed = failures.isEmpty
      milliseconds = time / .milliseconds(1)
      failureCount = failures.count
      var seen: Set<[String]> = []
      firstFailures = failures.filter { seen.insert([$0.routine, $0.scalar]).inserted }.map {
        Failure(
          routine: $0.routine, scalar: $0.scalar, length: $0.length, offset: $0.offset, expected: $0.expected,
          found: $0.found, tolerance: $0.tolerance)
      }
    }

    /// One line.
    var summary: String {
      if let refusal { return "not run: \(refusal)" }
      let time = String(format: "%.1f ms", milliseconds)
      guard let first = firstFailures.first else { return "passed in \(time)" }
      let routines = firstFailures.map { "\($0.routine) of \($0.scalar)" }.joined(separator: ", ")
      return """
        FAILED \(failureCount) times (\(routines)); the first: \(first.routine) of \(first.scalar), length \
        \(first.length), offset \(first.offset) bytes: found \(first.found), expected \(first.expected), off by at most \
        \(first.tolerance)
        """
    }
  }
}
