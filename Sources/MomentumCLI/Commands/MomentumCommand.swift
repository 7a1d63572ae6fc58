import ArgumentParser
import Momentum

@main
struct MomentumCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "momentum",
    abstract: "Gradient clipping and SGD with momentum as BLAS calls.",
    version: MomentumVersion.current,
    subcommands: [
      InfoCommand.self,
      TrainCommand.self,
      TrajectoryCommand.self,
    ]
  )

  static func main() {
    Launch.restartForFastKernels()
    main(nil)
  }
}
