import ArgumentParser
import Momentum

/// The options of `momentum clip` for gradients of single examples.
struct PerExampleOptions: ParsableArguments {
  @Flag(
    help: """
      The first axis of every tensor counts examples: bring the gradient of each example to a norm of at most that of \
      --clip-global-norm, and write their average, without that axis.
      """)
  var perExample = false

  @Option(
    help: """
      What --clip-global-norm limits: the whole gradient of an example, or each tensor of it with equal shares of the limit, \
      or with shares by size. (default: example)
      """)
  var scope: PerExampleClipping.Scope?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Add normal noise, of X times the limit before division by the batch size. (default: 0)", valueName: "x"),
    transform: NumberText.double)
  var noiseMultiplier: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The divisor of the sum. (default: how many examples there are)", valueName: "x"),
    transform: NumberText.double)
  var batchSize: Double?

  /// The names of the options that were given.
  var given: [String] {
    [
      "--per-example": perExample, "--scope": scope != nil, "--noise-multiplier": noiseMultiplier != nil,
      "--batch-size": batchSize != nil,
    ].filter(\.value).keys.sorted()
  }

  func validate() throws {
    if !perExample, let option = given.first { throw ValidationError("\(option) needs --per-example") }
  }

  /// The clips that these options describe.
  func clipping(_ clip: ClipOptions) throws -> PerExampleClipping {
    let options = [
      "per-example norm": "--clip-global-norm", "noiseMultiplier": "--noise-multiplier", "batchSize": "--batch-size",
    ]
    return try orUsageError(naming: options) { () throws(MomentumError) in
      try PerExampleClipping(
        norm: clip.clipGlobalNorm ?? .infinity, scope: scope ?? .example, noiseMultiplier: noiseMultiplier ?? 0,
        batchSize: batchSize, nonFinitePolicy: clip.nonFinite?.policy ?? .throw)
    }
  }
}
