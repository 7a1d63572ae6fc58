import ArgumentParser
import Momentum

struct MomentumCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "momentum",
    abstract: "Gradient clipping and SGD with momentum as BLAS calls.",
    version: MomentumVersion.current,
    subcommands: [
      StepCommand.self,
      NormCommand.self,
      ClipCommand.self,
      TrainCommand.self,
      TrajectoryCommand.self,
      ValidateCommand.self,
      BenchCommand.self,
      InfoCommand.self,
    ]
  )
}
