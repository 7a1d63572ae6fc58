import ArgumentParser
import Momentum
import MomentumFiles

struct ClipCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clip",
    abstract: "Clip gradients in a tensor file.",
    discussion: """
      Files are safetensors of F32 and F64 tensors. One file may hold both: each tensor keeps its type, and norms are those \
      of all; --per-example takes tensors of one type. The output is written whole or not at all.

      --config takes "clipping", "convention" and "nonFinitePolicy" of a file for "momentum step". Settings by which a step \
      changes gradients in other ways are refused: limits of groups, an adaptive limit, a loss scale, adaptive gradient \
      clipping.
      """
  )

  @Option(help: ArgumentHelp("The gradients.", valueName: "file"))
  var gradients: String

  @Option(help: ArgumentHelp("Where the clipped gradients go; - is standard output.", valueName: "file"))
  var output: String

  @OptionGroup
  var writing: OutputOptions

  @Option(
    help: ArgumentHelp(
      "The clips, from the settings of an optimizer in JSON. No options that clip can be given with it.",
      valueName: "file"))
  var config: String?

  @OptionGroup(title: "Clipping")
  var clip: ClipOptions

  @Option(
    help: ArgumentHelp(
      """
      The norm of all gradients together, if it is known: --clip-global-norm goes by it, and nothing is measured or \
      checked.
      """, valueName: "x"), transform: NumberText.double)
  var totalNorm: Double?

  @OptionGroup(title: "Clipping each example")
  var examples: PerExampleOptions

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try StandardStream.checkOutputs([("--output", output)])
    if config != nil {
      let given = clip.given + (totalNorm == nil ? [] : ["--total-norm"]) + examples.given
      if let option = given.first { throw ValidationError("\(option) cannot be given with --config") }
      return
    }
    if let totalNorm {
      try require("--clip-global-norm", with: "--total-norm", besides: ["--convention"])
      guard totalNorm >= 0, totalNorm.isFinite else {
        throw ValidationError("--total-norm is \(totalNorm); expected a finite number >= 0")
      }
    }
    if examples.perExample {
      try require("--clip-global-norm", with: "--per-example", besides: ["--non-finite"])
      _ = try examples.clipping(clip)
    }
    _ = try clip.clipping()
  }

  /// Checks that one option that clips was given, and of the others at most some.
  private func require(_ needed: String, with option: String, besides allowed: [String]) throws {
    let given = clip.given + (totalNorm == nil ? [] : ["--total-norm"])
    guard given.contains(needed) else { throw ValidationError("\(option) needs \(needed)") }
    if let other = given.first(where: { $0 != needed && $0 != option && !allowed.contains($0) }) {
      throw ValidationError("\(other) cannot be given with \(option)")
    }
  }

  func run() throws {
    try TensorOutput.check(output, followsLinks: writing.followLinks)
    let gradients = try TensorFile(gradients, access: .copyOnWrite)
    if examples.perExample {
      switch try gradients.onlyType(with: "--per-example") {
      case .f64: return try average(gradients, as: Double.self)
      default: return try average(gradients, as: Float.self)
      }
    }
    let report: ClipReport
    switch gradients.dtypes {
    case [.f64]: report = try clip(gradients, as: Double.self)
    case [.f32]: report = try clip(gradients, as: Float.self)
    default: report = try clipBoth(gradients)
    }
    try gradients.file.checkUnchanged()
    var writer = SafetensorsWriter(path: output, metadata: gradients.file.metadata)
    writer.followsLinks = writing.followLinks
    try gradients.add(to: &writer)
    try TensorOutput.write([writer], from: gradients)
    // The writer points into the mapping.
    withExtendedLifetime(gradients) {}
    let row = StepRow(report, step: 0)
    if json { try JSONOutput.print(["steps": [row]]) } else { try StandardOutput.print(row.summary) }
  }

  private func average<Scalar: BLASScalar & SafetensorsScalar>(_ gradients: TensorFile, as: Scalar.Type) throws {
    let average = try ExampleAverage<Scalar>(
      gradients, clipping: examples.clipping(clip), output: output, followsLinks: writing.followLinks,
      threads: threading.threads)
    try json ? JSONOutput.print(average.report) : StandardOutput.print(average.summary)
  }

  /// Clips tensors of one type where they are.
  private func clip<Scalar: BLASScalar & SafetensorsScalar>(
    _ gradients: TensorFile, as type: Scalar.Type
  ) throws -> ClipReport {
    let buffers = try gradients.mutableBuffers(as: type)
    if let totalNorm, let limit = clip.clipGlobalNorm {
      return try gradients.naming { () throws(MomentumError) in
        try Gradients.clip(
          buffers, byGlobalNorm: limit, givenNorm: totalNorm, convention: clip.convention, threads: threading.threads)
      }
    }
    let settings = try settings()
    return try gradients.naming { () throws(MomentumError) in
      try Gradients.clip(
        buffers, by: settings.clipping, names: gradients.tensors.map(\.name), shapes: gradients.tensors.map(\.shape),
        convention: settings.convention, nonFinitePolicy: settings.policy, threads: threading.threads)
    }
  }

  /// Clips tensors of both types where they are: those of each type on a thread of its own, by the norm of all.
  private func clipBoth(_ gradients: TensorFile) throws -> ClipReport {
    let (floats, doubles) = (gradients.part(Float.self), gradients.part(Double.self))
    if totalNorm != nil {
      let reports = try [clip(floats, as: Float.self), clip(doubles, as: Double.self)]
      // A coefficient may round to 1 in one type alone.
      return reports.first { $0.wasClipped } ?? reports[0]
    }
    nonisolated(unsafe) let floatBuffers = try floats.mutableBuffers(as: Float.self)
    nonisolated(unsafe) let doubleBuffers = try doubles.mutableBuffers(as: Double.self)
    let (settings, threads) = (try settings(), threading.threads)
    // The type of the first tensor comes first, and so do its errors.
    let doubleOwner = gradients.dtypes.first == .f64 ? 0 : 1
    return try gradients.naming { () throws(MomentumError) in
      try ThreadExchange.run(owners: 2) { owner, exchange throws(MomentumError) in
        if owner == doubleOwner { return try settings.clip(doubleBuffers, of: doubles, threads, exchange) }
        return try settings.clip(floatBuffers, of: floats, threads, exchange)
      }[0]
    }
  }

  private func settings() throws -> ClipSettings {
    try config.map { try ClipSettings(file: $0) } ?? ClipSettings(options: clip)
  }
}

/// How `momentum clip` clips.
private struct ClipSettings {
  var clipping: GradientClipping
  var convention: Convention
  var policy: NonFinitePolicy?

  init(options: ClipOptions) throws {
    (clipping, convention) = (try options.clipping(), options.convention)
    policy = options.nonFinite?.policy
  }

  /// Clips tensors of one type together with those of the other.
  func clip<Scalar: BLASScalar>(
    _ buffers: [UnsafeMutableBufferPointer<Scalar>], of part: TensorFile, _ threads: Int?, _ exchange: any NormExchange
  ) throws(MomentumError) -> ClipReport {
    try Gradients.clip(
      buffers, by: clipping, names: part.tensors.map(\.name), shapes: part.tensors.map(\.shape),
      convention: convention, nonFinitePolicy: policy, threads: threads, exchange: exchange)
  }

  /// Takes the clips from the settings of an optimizer.
  ///
  /// - Throws: ``DataFileError`` also for settings that would change the gradient in a step and cannot do so here.
  init(file: String) throws {
    let settings = try ConfigurationFile.read(file)
    let others = [
      ("groups.clipping", settings.groups.contains { $0.clipping != nil }),
      ("adaptiveLimit", settings.adaptiveLimit != nil),
      ("lossScale", settings.lossScale != .none),
      (
        "rule.adaptiveGradientClipping",
        ([settings.rule] + settings.groups.compactMap(\.rule)).contains(where: \.limitsUnits)
      ),
    ]
    if let (key, _) = others.first(where: \.1) {
      throw DataFileError(file: file, cause: "'\(key)' is given; expected none, since only a step can follow it")
    }
    (clipping, convention, policy) = (settings.clipping, settings.convention, settings.nonFinitePolicy)
    // The norm is part of every report.
    if clipping.whole == nil { clipping.whole = .norm(.infinity) }
  }
}

extension RuleConfiguration {
  /// Whether gradients are limited in proportion to the parameters.
  fileprivate var limitsUnits: Bool {
    if case .adaptive = unitLimit { true } else { false }
  }
}
