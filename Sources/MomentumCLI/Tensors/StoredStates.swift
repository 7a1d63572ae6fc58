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

  init(_ states: [(StateFile.Parts, StoredState<Scalar>)]) { self.states = states }

  /// Replaces a part of an optimizer's state by that of the file that was opened for it.
  func restore(_ parts: StateFile.Parts, into optimizer: inout Optimizer<Scalar>) throws {
    for entry in states where entry.parts == parts { try entry.state.restore(into: &optimizer) }
  }

  func prefetch(_ names: [String]) { for entry in states { entry.state.prefetch(names) } }

  func release(_ names: [String]) { for entry in states { entry.state.release(names) } }
}
