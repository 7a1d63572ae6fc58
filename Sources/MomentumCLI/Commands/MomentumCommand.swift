import ArgumentParser

@main
struct MomentumCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "momentum",
    abstract: "Gradient clipping and SGD with momentum as BLAS calls.",
    subcommands: []
  )
}
