import ArgumentParser
import Momentum
import MomentumFiles

struct ClipCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clip",
    abstract: "Clip the gradients of a checkpoint.",
    discussion: """
      Files are safetensors of F32, F64, BF16 and F16 tensors. One file may hold several types: each tensor keeps its own, and \
      norms are those of all; --per-example takes tensors of one type, F32 or F64, and writes one file. Tensors of BF16 and F16 are \
      clipped as if they were of F32, and rounded once, to nearest. Tensors of integers and truth values, and those that \
      --skip passes by, are copied.

      A path of --gradients is that of a file, of an index (model.safetensors.index.json), or of a folder with one of them; \
      several paths are parts of one gradient. Of several files, or of an index, --output is a folder: it gets files of the \
      same names, with their metadata, and the index if one was read. All of them are written, whole, or none. They are clipped one after \
      the other, so that one of them is in memory at a time.

      --config takes "clipping", "convention" and "nonFinitePolicy" of a file for "momentum step". Settings by which a step \
      changes gradients in other ways are refused: limits of groups, an adaptive limit, a loss scale, adaptive gradient \
      clipping.
      """
  )

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("The gradients: files, indices or folders.", valueName: "path"))
  var gradients: [String]

  @OptionGroup
  var patterns: NamePatterns

  @Option(
    help: ArgumentHelp(
      "Where the clipped gradients go: a file, or a folder for several; - is standard output.", valueName: "path"))
  var output: String

  @Option(
    help: """
      How clipped gradients are stored: each in its own type, or those of BF16 and F16 as F32, not rounded. (default: same)
      """)
  var outputType: OutputType?

  @Option(
    help: """
      What becomes of an element that exceeds its type, BF16 or F16, where clipping enlarges gradients: infinite, as IEEE 754 \
      has it, or the largest number of its sign. (default: infinity)
      """)
  var overflow: OverflowPolicy?

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
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The norm of all gradients together, if it is known: --clip-global-norm goes by it, and nothing is measured or \
      checked.
      """, valueName: "x"), transform: NumberText.double)
  var totalNorm: Double?

  @OptionGroup(title: "Clipping matrices")
  var matrices: SpectralClipOptions

  @OptionGroup(title: "Clipping each example")
  var examples: PerExampleOptions

  @OptionGroup
  var threading: ThreadOptions

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try StandardStream.checkOutputs([("--output", output)])
    guard overflow == nil || outputType != .f32 else {
      throw ValidationError("--overflow cannot be given with --output-type f32, which rounds nothing to half precision")
    }
    if config != nil {
      if let option = (given + examples.given).first {
        throw ValidationError("\(option) cannot be given with --config")
      }
      return
    }
    if let totalNorm {
      try require("--clip-global-norm", with: "--total-norm", besides: ["--convention"])
      guard totalNorm >= 0, totalNorm.isFinite else {
        throw ValidationError("--total-norm is \(totalNorm); expected a finite number >= 0")
      }
    }
    if matrices.clipSpectralNorm != nil {
      try refuseOthers(with: "--clip-spectral-norm", besides: ["--view", "--clip-value", "--non-finite"])
    }
    if examples.perExample {
      let others = [
        ("--output-type", outputType != nil), ("--overflow", overflow != nil), ("--only", !patterns.only.isEmpty),
        ("--skip", !patterns.skip.isEmpty),
      ]
      if let (option, _) = others.first(where: \.1) {
        throw ValidationError("\(option) cannot be given with --per-example")
      }
      try require("--clip-global-norm", with: "--per-example", besides: ["--non-finite"])
      _ = try examples.clipping(clip)
    }
    _ = try clip.clipping()
  }

  /// Checks that one option that clips was given, and of the others at most some.
  private func require(_ needed: String, with option: String, besides allowed: [String]) throws {
    guard given.contains(needed) else { throw ValidationError("\(option) needs \(needed)") }
    try refuseOthers(with: option, besides: [needed] + allowed)
  }

  private func refuseOthers(with option: String, besides allowed: [String]) throws {
    if let other = given.first(where: { $0 != option && !allowed.contains($0) }) {
      throw ValidationError("\(other) cannot be given with \(option)")
    }
  }

  /// The names of the options that were given, of those that clip whole gradients.
  private var given: [String] { clip.given + (totalNorm == nil ? [] : ["--total-norm"]) + matrices.given }

  func run() throws {
    let target = TensorOutput(followsLinks: writing.followLinks)
    if examples.perExample { try TensorOutput.check(output, followsLinks: writing.followLinks) }
    let gradients = try CheckpointTensors(
      gradients, patterns, access: .copyOnWrite, onlyWholeFor: examples.perExample ? "--per-example takes" : nil)
    gradients.warn()
    if examples.perExample {
      switch try gradients.onlyType(with: "--per-example") {
      case .f64: return try average(gradients, as: Double.self, target)
      default: return try average(gradients, as: Float.self, target)
      }
    }
    if overflow != nil, !gradients.dtypes.contains(where: \.isHalf) {
      throw DataFileError(
        file: gradients.name, cause: "has no tensor in half precision; expected BF16 or F16, or no --overflow")
    }
    let copy = try target.checkpoint(output, like: gradients.set)
    var givenNorm: (limit: Double, norm: Double)?
    if let totalNorm, let limit = clip.clipGlobalNorm { givenNorm = (limit, totalNorm) }
    let clipped = try CheckpointClip(
      gradients: gradients, settings: settings(), givenNorm: givenNorm, spectralLimit: matrices.limit,
      outputType: outputType ?? .same, threads: threading.threads
    ).run(into: copy)
    try target.commit()
    let row = StepRow(
      clipped.reports, step: 0, haveClippedMatrices: clipped.matrices.map { $0.clippedCount > 0 } ?? false)
    let steps = StepOutput([row], matrices: clipped.matrices?.matrices, skipped: gradients.skipped)
    if json { return try JSONOutput.print(steps) }
    let notes = [row.overflowNote, clipped.matrices?.note].compactMap(\.self) + steps.notes
    try StandardOutput.print(lines: [row.summary] + notes)
  }

  private func average<Scalar: BLASScalar & SafetensorsScalar>(
    _ gradients: CheckpointTensors, as: Scalar.Type, _ target: TensorOutput
  ) throws {
    let average = try ExampleAverage<Scalar>(
      gradients, clipping: examples.clipping(clip), output: output, into: target, threads: threading.threads)
    try json ? JSONOutput.print(average.report) : StandardOutput.print(average.summary)
  }

  private func settings() throws -> ClipSettings {
    var settings = try config.map { try ClipSettings(file: $0) } ?? ClipSettings(options: clip)
    settings.overflow = overflow ?? .infinity
    return settings
  }
}

/// How `momentum clip` clips.
struct ClipSettings {
  var clipping: GradientClipping
  var convention: Convention
  var policy: NonFinitePolicy?
  var overflow = OverflowPolicy.infinity

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
