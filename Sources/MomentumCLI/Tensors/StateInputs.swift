import Momentum
import MomentumFiles

/// The open files of what was remembered before a step, of all parameters. They may be cut in other ways than these.
struct StateInputs {
  /// The files that say what they are, and what is taken from them.
  private(set) var sets: [(parts: StateFile.Parts, set: StateSet)] = []
  /// Velocities of another library.
  private(set) var foreign: ForeignVelocities?

  /// What is unusual about the files.
  var warnings: [SafetensorsWarning] { sets.flatMap(\.set.warnings) + (foreign?.set.warnings ?? []) }

  /// Opens the files that the options name.
  init(_ options: StateOptions, of parameters: CheckpointTensors) throws {
    let inputs: [(paths: [String], parts: StateFile.Parts)] = [
      (options.state, .all), (options.velocity, .velocity), (options.average, .average),
    ]
    for (paths, parts) in inputs where !paths.isEmpty {
      for path in paths { try StandardStream.refuseInput(path) }
      if parts == .velocity, let convention = options.velocityConvention {
        foreign = try ForeignVelocities(paths, of: convention, parameters)
      } else {
        sets.append((parts, try StateSet(paths: paths, inFolders: parameters.set.names)))
      }
    }
  }
}

/// Velocities as another library has them, under the parameters' names and without metadata.
struct ForeignVelocities {
  let set: SafetensorsSet
  private let name: String
  private let exchange: VelocityExchange

  /// Opens the files, and checks that they are what they are said to be, of tensors that are stepped.
  fileprivate init(_ paths: [String], of convention: Convention, _ parameters: CheckpointTensors) throws {
    name = paths.joined(separator: ", ")
    exchange = VelocityExchange(of: convention)
    set = try SafetensorsSet(paths: paths, inFolders: parameters.set.names)
    for file in set.files {
      if let key = file.metadata.keys.filter({ $0.hasPrefix("momentum.") }).min() {
        throw DataFileError(
          file: file.path,
          cause: "has \(key) in its metadata, which say what it is; expected none with --velocity-convention")
      }
    }
    guard !set.tensors.isEmpty else {
      throw OptimizerFileError(file: name, reason: .noTensors(prefix: exchange.prefix))
    }
    for place in set.tensors where parameters.place(of: place.tensor.name) == nil {
      let tensor = place.tensor.name
      guard parameters.set.place(of: tensor)?.tensor.dtype.isNumber ?? false else {
        throw OptimizerFileError(file: place.file.path, tensor: tensor, reason: .unexpectedTensor)
      }
      throw DataFileError(
        file: place.file.path,
        cause: "has tensor '\(tensor)', which is passed by; expected velocities of what is stepped alone with "
          + "--velocity-convention (a run with --steps 0 and all tensors converts them)")
    }
  }

  /// Gives an optimizer those of its tensors.
  func read<Scalar: BLASScalar & SafetensorsScalar>(into optimizer: inout Optimizer<Scalar>) throws {
    try exchange.read(set, named: name, into: &optimizer)
  }
}
