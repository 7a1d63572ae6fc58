import ArgumentParser
import Momentum
import MomentumFiles

/// Where `momentum step` finds and leaves what the optimizer remembers: in one file, or the velocity and the average apart.
struct StateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "All that an earlier step remembered: velocity, average, step count and what adapts. (default: nothing yet)",
      valueName: "file"))
  var state: String?

  @Option(help: ArgumentHelp("The velocity that an earlier step wrote. (default: zero)", valueName: "file"))
  var velocity: String?

  @Option(
    help: """
      Whose velocity --velocity names, if it is from elsewhere: momentum buffers under the parameters' names, without \
      metadata. Where the rule has the learning rate in the velocity and the file has not, or the other way round, they \
      are converted at that of the step, the first.
      """)
  var velocityConvention: Convention?

  @Option(help: ArgumentHelp("The average that an earlier step wrote. (default: none yet)", valueName: "file"))
  var average: String?

  @Option(help: ArgumentHelp("Where all that a later step needs goes, in one file.", valueName: "file"))
  var outputState: String?

  @Option(help: ArgumentHelp("Where the new velocity goes.", valueName: "file"))
  var outputVelocity: String?

  @Option(
    help: ArgumentHelp("Where the averaged parameters go. Needs --ema, or a --config that averages.", valueName: "file")
  )
  var outputAverage: String?

  /// The outputs, by the names of their options.
  var outputs: [(String, String?)] {
    [("--output-state", outputState), ("--output-velocity", outputVelocity), ("--output-average", outputAverage)]
  }

  /// The option, if given, that makes no sense unless parameters are averaged.
  var averageOption: String? {
    if average != nil { return "--average" }
    return outputAverage != nil ? "--output-average" : nil
  }

  func validate() throws {
    let apart = [
      ("--velocity", velocity), ("--average", average), ("--output-velocity", outputVelocity),
      ("--output-average", outputAverage),
    ]
    let whole = state != nil ? "--state" : "--output-state"
    if state != nil || outputState != nil, let (name, _) = apart.first(where: { $0.1 != nil }) {
      throw ValidationError("\(name) cannot be given with \(whole), whose file holds velocity and average")
    }
    guard velocityConvention == nil || velocity != nil else {
      throw ValidationError("--velocity-convention needs --velocity")
    }
  }

  /// Gives an optimizer what the files hold.
  func load<Scalar: BLASScalar & SafetensorsScalar>(
    into optimizer: inout Optimizer<Scalar>, parameters: TensorFile
  ) throws {
    if let state { try load(state, into: &optimizer) }
    if let velocity {
      if let velocityConvention {
        try VelocityFile.load(velocity, of: velocityConvention, into: &optimizer)
      } else {
        try VelocityFile.load(velocity, into: &optimizer, parameters: parameters)
      }
    }
    if let average { try AverageFile.load(average, into: &optimizer, parameters: parameters) }
  }

  private func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ state: String, into optimizer: inout Optimizer<Scalar>
  ) throws {
    let (scale, adaptive) = (optimizer.lossScale, optimizer.adaptiveLimit)
    try StateFile.load(state, into: &optimizer)
    // A state brings its settings along; this run has its own.
    for (what, isSame) in [
      ("loss scale", optimizer.lossScale.growth == scale.growth),
      ("adaptive clipping", optimizer.adaptiveLimit?.withoutHistory == adaptive?.withoutHistory),
    ] where !isSame {
      throw DataFileError(file: state, cause: "its \(what) has other settings than this run; expected the same ones")
    }
  }

  /// Prepares the files of what an optimizer remembers now.
  func writers<Scalar: BLASScalar & SafetensorsScalar>(
    of optimizer: inout Optimizer<Scalar>, convention: Convention
  ) throws -> [SafetensorsWriter] {
    var writers: [SafetensorsWriter] = []
    if let outputState { writers.append(try StateFile.writer(outputState, of: &optimizer)) }
    if let outputVelocity {
      writers.append(try VelocityFile.writer(outputVelocity, of: &optimizer, convention: convention))
    }
    if let outputAverage { writers.append(try AverageFile.writer(outputAverage, of: &optimizer)) }
    return writers
  }
}
