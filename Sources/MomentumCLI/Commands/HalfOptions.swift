import ArgumentParser
import Momentum

/// The options of `momentum step` for parameters in half precision.
struct HalfOptions: ParsableArguments {
  /// How parameters are rounded.
  enum RoundingOption: String, CaseIterable, ExpressibleByArgument {
    case nearest, stochastic
  }

  @Option(
    help: """
      Step parameters of BF16 without a master, each rounded once: to nearest, which undoes updates below a 512th of a \
      parameter, or at random, which is right in the mean.
      """)
  var rounding: RoundingOption?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The seed of --rounding stochastic, for all steps that a state counts. Without --state or --velocity every run begins \
      with step 1 and draws the same numbers again: give each run another seed then. (default: 0)
      """, valueName: "n"))
  var seed: UInt64?

  @Option(
    help: """
      What becomes of a parameter that exceeds its type, BF16 or F16: infinite, as IEEE 754 has it, or the largest number of \
      its sign. (default: infinity)
      """)
  var overflow: OverflowPolicy?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      The masters of parameters of BF16 and F16, in F32: files, indices or folders. The masters are stepped, and the \
      parameters are their copies. Parameters of F32 may be among the masters, with the same elements. (default, with \
      --output-master: the parameters)
      """, valueName: "path"))
  var master: [String] = []

  @Option(
    help: ArgumentHelp(
      "Where the new masters go: as --output-parameters, in files of the parameters' names.", valueName: "path"))
  var outputMaster: String?

  /// The names of the options that were given.
  var given: [String] {
    [
      ("--rounding", rounding != nil), ("--overflow", overflow != nil), ("--master", !master.isEmpty),
      ("--output-master", outputMaster != nil),
    ].filter(\.1).map(\.0)
  }

  /// The rounding of parameters without masters.
  var roundingMode: Rounding? {
    switch rounding {
    case .nearest: .nearest
    case .stochastic: .stochastic(seed: seed ?? 0)
    case nil: nil
    }
  }

  func validate() throws {
    guard seed == nil || rounding == .stochastic else { throw ValidationError("--seed needs --rounding stochastic") }
    guard master.isEmpty || outputMaster != nil else {
      throw ValidationError("--master needs --output-master: a step changes the masters")
    }
    guard rounding == nil || outputMaster == nil else {
      throw ValidationError("--rounding cannot be given with --output-master: masters are not rounded")
    }
  }
}
