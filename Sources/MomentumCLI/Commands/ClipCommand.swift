import ArgumentParser
import Momentum
import MomentumFiles

struct ClipCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clip",
    abstract: "Clip gradients in a tensor file.",
    discussion: """
      Files are safetensors of F32, F64, BF16 and F16 tensors. One file may hold several types: each tensor keeps its own, and \
      norms are those of all; --per-example takes tensors of one type, F32 or F64. Tensors of BF16 and F16 are clipped as if \
      they were of F32, and rounded once, to nearest. The output is written whole or not at all.

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
    let gradients = try TensorFile(
      gradients, access: .copyOnWrite, withoutHalvesFor: examples.perExample ? "--per-example takes" : nil)
    if examples.perExample {
      switch try gradients.onlyType(with: "--per-example") {
      case .f64: return try average(gradients, as: Double.self)
      default: return try average(gradients, as: Float.self)
      }
    }
    let owners = try ClipOwners(gradients, settings(), threads: threading.threads)
    let report = try gradients.naming { () throws(MomentumError) in
      guard let totalNorm, let limit = clip.clipGlobalNorm else { return try owners.clip() }
      return try owners.clip(byGlobalNorm: limit, givenNorm: totalNorm)
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

  private func settings() throws -> ClipSettings {
    try config.map { try ClipSettings(file: $0) } ?? ClipSettings(options: clip)
  }
}

/// How `momentum clip` clips.
struct ClipSettings {
  var clipping: GradientClipping
  var convention: Convention
  var policy: NonFinitePolicy?

  init(options: ClipOptions) throws {
    (clipping, convention) = (try options.clipping(), options.convention)
    policy = options.nonFinite?.policy
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
