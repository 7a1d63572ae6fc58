import Momentum
import MomentumFiles

/// The open files of what an optimizer remembers, for optimizers of some of its tensors.
protocol OpenStates {
  /// Has the system read ahead what belongs to some tensors.
  func prefetch(_ names: [String])

  /// Lets the pages of what belongs to some tensors go; they are read again if they are needed once more.
  func release(_ names: [String])
}

/// The same for an optimizer that computes in one type.
struct StoredStates<Scalar: BLASScalar & SafetensorsScalar>: OpenStates {
  private let states: [(parts: StateFile.Parts, state: StoredState<Scalar>)]
  private let others: [PassedState<Scalar>.Name]

  /// - Parameter others: The tensors that are passed by.
  init(_ states: [(StateFile.Parts, StoredState<Scalar>)], _ others: [PassedState<Scalar>.Name]) {
    (self.states, self.others) = (states, others)
  }

  /// Replaces a part of an optimizer's state by that of the file that was opened for it.
  ///
  /// - Parameter withVectors: Whether velocities and averages are read.
  func restore(
    _ parts: StateFile.Parts, into optimizer: inout Optimizer<Scalar>, withVectors: Bool
  ) throws {
    for entry in states where entry.parts == parts {
      try entry.state.restore(into: &optimizer, withVectors: withVectors)
    }
  }

  /// The first tensor of a kind that is passed by.
  func passedName(where isMeant: (String) -> Bool) -> String? { others.first { isMeant($0.name) }?.name }

  /// Whether tensors are passed by.
  var hasPassed: Bool { !others.isEmpty }

  /// What the file of a part has of the tensors that are passed by; nothing if there is no such file.
  func passed(_ parts: StateFile.Parts) -> PassedState<Scalar> {
    states.first { $0.parts == parts }?.state.passed(others) ?? PassedState(others)
  }

  /// To be called when what is passed by has been written: fails if a file has changed.
  func finish() throws { for entry in states { try entry.state.finish() } }

  func prefetch(_ names: [String]) { for entry in states { entry.state.prefetch(names) } }

  func release(_ names: [String]) { for entry in states { entry.state.release(names) } }
}
