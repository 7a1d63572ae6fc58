import Momentum
import MomentumFiles

/// What was remembered before a step, in open files, for optimizers of some of the tensors each.
protocol OpenStates {
  /// Has the system read ahead what belongs to some tensors.
  func prefetch(_ names: [String])

  /// Lets the pages of what belongs to some tensors go; they are read again if they are needed once more.
  func release(_ names: [String])
}

/// The same for optimizers that compute in one type.
struct StoredStates<Scalar: BLASScalar & SafetensorsScalar>: OpenStates {
  private let states: [(parts: StateFile.Parts, state: StoredState<Scalar>)]
  private let foreign: ForeignVelocities?

  /// Finds the tensors in the files.
  ///
  /// - Parameters:
  ///   - optimizer: All tensors of the type.
  ///   - others: Those that are passed by, and may be in the files.
  ///   - strangers: Those of another type, which have files of their own.
  init(
    _ inputs: StateInputs, of optimizer: borrowing Optimizer<Scalar>, besides others: [PassedState<Scalar>.Name],
    strangers: [String]
  ) throws {
    var states: [(StateFile.Parts, StoredState<Scalar>)] = []
    for (parts, set) in inputs.sets {
      states.append((parts, try StoredState(set, of: optimizer, besides: others, strangers: strangers, parts: parts)))
    }
    (self.states, foreign) = (states, inputs.foreign)
  }

  /// Gives an optimizer what the files hold.
  ///
  /// - Parameter withVectors: Whether velocities and averages are read. Without them the optimizer can measure a step, and
  ///   cannot take it.
  func load(into optimizer: inout Optimizer<Scalar>, withVectors: Bool) throws {
    for (parts, state) in states {
      let own = Adapted(optimizer)
      try state.restore(into: &optimizer, withVectors: withVectors)
      // What the files have learnt of something that this run does not adapt is left out of a velocity.
      if parts == .velocity {
        if own.lossScale.growth == nil { optimizer.lossScale = own.lossScale }
        if own.clipping == nil { optimizer.adaptiveLimit = nil }
      }
      try Adapted(optimizer).check(against: own, file: state.name)
      if parts == .velocity { try Self.checkForms(of: optimizer, from: state) }
    }
    // Such files have nothing but vectors.
    if withVectors { try foreign?.read(into: &optimizer) }
  }

  /// Throws unless velocities are of the form that the rules of the optimizer keep.
  private static func checkForms(of optimizer: borrowing Optimizer<Scalar>, from state: StoredState<Scalar>) throws {
    for (index, form) in try optimizer.velocityForms().enumerated() where optimizer.hasVelocity(ofTensor: index) {
      let keeps = optimizer.keepsLearningRateInVelocity(ofTensor: index)
      guard keeps != form.keepsLearningRate else { continue }
      let (found, expected) = keeps ? ("holds", "does not") : ("does not hold", "does")
      let name = optimizer.layout.tensors[index].name
      throw DataFileError(
        file: state.path(of: name),
        cause: "the velocity of tensor '\(name)' \(found) the learning rate; that of this rule \(expected)")
    }
  }

  func prefetch(_ names: [String]) { for entry in states { entry.state.prefetch(names) } }

  func release(_ names: [String]) { for entry in states { entry.state.release(names) } }

  /// What the files of a part have of tensors that are passed by; nothing if there are no such files.
  fileprivate func passed(
    _ parts: StateFile.Parts, _ others: [PassedState<Scalar>.Name]
  ) -> PassedState<Scalar> {
    states.first { $0.parts == parts }?.state.passed(others) ?? PassedState(others)
  }

  fileprivate func finish(_ others: [PassedState<Scalar>.Name]) throws {
    for entry in states { try entry.state.finish(others.map(\.name)) }
  }
}

/// What is remembered of the tensors of one file of parameters that are passed by. It goes into the new files of state.
struct PassedStates<Scalar: BLASScalar & SafetensorsScalar> {
  private let states: StoredStates<Scalar>
  private let tensors: [PassedState<Scalar>.Name]

  /// `nil` if there is no such tensor.
  init?(_ states: StoredStates<Scalar>, of tensors: [PassedState<Scalar>.Name]) {
    guard !tensors.isEmpty else { return nil }
    (self.states, self.tensors) = (states, tensors)
  }

  /// As the files of some parts hold it.
  func passed(_ parts: StateFile.Parts) -> PassedState<Scalar> { states.passed(parts, tensors) }

  /// To be called when it has been written: fails if a file has changed.
  func finish() throws { try states.finish(tensors) }
}

/// The settings that an optimizer adapts from step to step. A file brings its settings along; a run has its own.
private struct Adapted {
  var lossScale: LossScale
  var clipping: AdaptiveLimit?

  init<Scalar>(_ optimizer: borrowing Optimizer<Scalar>) {
    (lossScale, clipping) = (optimizer.lossScale, optimizer.adaptiveLimit)
  }

  /// Throws if what came from a file has other settings than those of the run.
  func check(against own: Adapted, file: String) throws {
    for (what, isSame) in [
      ("loss scale", lossScale.growth == own.lossScale.growth),
      ("adaptive clipping", clipping?.withoutHistory == own.clipping?.withoutHistory),
    ] where !isSame {
      throw DataFileError(file: file, cause: "its \(what) has other settings than this run; expected the same ones")
    }
  }
}
