import ArgumentParser
import Momentum

/// The settings of the optimizer of `momentum step`: all of them from a file, or one by one.
struct OptimizerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "All settings of the optimizer, in JSON; see above. The options that state settings cannot be given with it.",
      valueName: "file"))
  var config: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The learning rate. Needed without --config.", valueName: "x"), transform: NumberText.double)
  var learningRate: Double?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("The momentum, at least 0. (default: 0)", valueName: "x"),
    transform: NumberText.double)
  var momentum: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What the gradient loses on entering the velocity, in 0...1. (default: 0)", valueName: "x"),
    transform: NumberText.double)
  var dampening: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The weight decay, at least 0. (default: 0)", valueName: "x"), transform: NumberText.double)
  var weightDecay: Double?

  @Flag(help: "Decay the parameters directly, not through the velocity.")
  var decoupledWeightDecay = false

  @Flag(help: "Step along Nesterov's look-ahead.")
  var nesterov = false

  @Flag(help: "Ascend.")
  var maximize = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Adaptive gradient clipping: bring the gradient of every unit to a norm of at most X times that of its parameters. \
      Units belong to one index of the first axis; under the optax convention they are Optax's.
      """, valueName: "x"), transform: NumberText.double)
  var agc: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What the loss was multiplied with: gradients are divided by X. (default: 1)", valueName: "x"),
    transform: NumberText.double)
  var lossScale: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Average the parameters: a = X·a + (1 - X)·p, with X in 0...1.", valueName: "x"),
    transform: NumberText.double)
  var ema: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Set the parameters to their average after every N steps. Needs --ema.", valueName: "n"))
  var emaOverwrite: Int?

  @Option(
    help: """
      How the velocity of F32, BF16 and F16 parameters is stored: bf16 takes half the memory and the size in files. \
      (default: f32)
      """)
  var velocityType: VelocityType?

  enum VelocityType: String, ExpressibleByArgument, CaseIterable {
    case f32, bf16

    /// `nil` for that of what is computed with.
    var elementType: ElementType? { self == .bf16 ? .bfloat16 : nil }
  }

  @Flag(
    help: """
      Read the gradients once while nothing is clipped. Needs one file, the policy propagate or zero, and no other clip than \
      --clip-global-norm by the 2-norm; goes with none of --ema and --agc.
      """)
  var onePass = false

  @OptionGroup(title: "Clipping")
  var clip: ClipOptions

  func validate() throws {
    if config != nil {
      guard given.isEmpty else {
        let verb = given.count == 1 ? "states a setting" : "state settings"
        throw ValidationError("\(given.joined(separator: ", ")) \(verb); with --config, settings come from its file")
      }
      return
    }
    guard learningRate != nil else { throw ValidationError("expected --learning-rate, or --config with all settings") }
    guard ema != nil || emaOverwrite == nil else { throw ValidationError("--ema-overwrite needs --ema") }
    let configuration = try stated()
    try orUsageError(naming: Self.options) { () throws(MomentumError) in try configuration.validate() }
  }

  /// The settings, from the file if there is one.
  func configuration() throws -> OptimizerConfiguration {
    guard let config else { return try stated() }
    var configuration = try ConfigurationFile.read(config)
    // The norm is part of every report. Groups with limits may measure another one, which then is reported.
    if configuration.clipping.whole == nil, !configuration.groups.contains(where: { $0.clipping != nil }) {
      configuration.clipping.whole = .norm(.infinity)
    }
    return configuration
  }

  /// The names of the options that state settings and were given.
  private var given: [String] {
    let own = [
      "--learning-rate": learningRate != nil, "--momentum": momentum != nil, "--dampening": dampening != nil,
      "--weight-decay": weightDecay != nil, "--decoupled-weight-decay": decoupledWeightDecay, "--nesterov": nesterov,
      "--maximize": maximize, "--agc": agc != nil, "--loss-scale": lossScale != nil, "--ema": ema != nil,
      "--ema-overwrite": emaOverwrite != nil, "--velocity-type": velocityType != nil, "--one-pass": onePass,
    ]
    return (own.filter(\.value).keys + clip.given).sorted()
  }

  /// The options of the library's settings.
  static let options = ClipOptions.options.merging([
    "dampening": "--dampening", "weightDecay": "--weight-decay", "factor of adaptive clipping": "--agc",
    "loss scale": "--loss-scale", "decay of the average": "--ema", "overwriteEvery": "--ema-overwrite",
  ]) { $1 }

  private func stated() throws -> OptimizerConfiguration {
    let (clipping, rule) = (try clip.clipping(), try rule())
    return try orUsageError(naming: Self.options) { () throws(MomentumError) in
      var averaging: WeightAveraging?
      if let ema { averaging = try .exponential(decay: ema, overwriteEvery: emaOverwrite) }
      return OptimizerConfiguration(
        convention: clip.convention,
        rule: rule,
        clipping: clipping,
        lossScale: try lossScale.map { (scale) throws(MomentumError) in try .fixed(scale) } ?? .none,
        averaging: averaging, nonFinitePolicy: clip.nonFinite?.policy,
        mode: onePass ? .onePass : .twoPass, velocityType: velocityType?.elementType)
    }
  }

  private func rule() throws -> RuleConfiguration {
    func constant(_ value: Double?, _ option: String) throws -> Schedule? {
      guard let value else { return nil }
      return try orUsageError(naming: ["value of a constant schedule": option]) { () throws(MomentumError) in
        try .constant(value)
      }
    }
    var rule = RuleConfiguration()
    rule.learningRate = try constant(learningRate, "--learning-rate")
    rule.momentum = try constant(momentum, "--momentum")
    rule.dampening = dampening
    rule.weightDecay = weightDecay
    rule.decoupledWeightDecay = decoupledWeightDecay ? true : nil
    rule.nesterov = nesterov
    rule.maximize = maximize
    if let agc { rule.unitLimit = .adaptive(factor: agc) }
    return rule
  }
}
