/// The difference between the tensors of a state and those of the optimizer that took it on.
public struct StateMigration: Sendable, Hashable {
  /// The names of the optimizer's tensors that the state does not have: their next step is a first step.
  public let added: [String]
  /// The names of the state's tensors that the optimizer does not have: what the state says of them is dropped.
  public let dropped: [String]

  package init(from old: ParameterLayout, to new: ParameterLayout) {
    added = new.tensors.map(\.name).filter { old.index(of: $0) == nil }
    dropped = old.tensors.map(\.name).filter { new.index(of: $0) == nil }
  }

  /// Whether both have the same tensors, in whatever order.
  public var isEmpty: Bool { added.isEmpty && dropped.isEmpty }
}

extension StateMigration: CustomStringConvertible {
  /// One line, for example `added 'head.bias'; dropped nothing`.
  public var description: String {
    func list(_ names: [String]) -> String {
      names.isEmpty ? "nothing" : names.map { "'\($0)'" }.joined(separator: ", ")
    }
    return "added \(list(added)); dropped \(list(dropped))"
  }
}

extension OptimizerState {
  /// The state for a layout with more, fewer or reordered tensors: a model that has got a new head, for example.
  ///
  /// Tensors are the same if their names are. One that is added starts as on a first step, with neither velocity nor
  /// average; one that is dropped is named. Step count, loss scale and adaptive limit stay.
  ///
  /// ```swift
  /// let (state, migration) = try saved.migrated(to: optimizer.layout)
  /// print(migration)  // added 'head.bias'; dropped nothing
  /// try optimizer.restore(state)
  /// ```
  ///
  /// - Throws: ``MomentumError/layoutMismatch(_:)`` for a tensor of the same name and another shape,
  ///   ``MomentumError/countMismatch(what:count:expected:)`` for vectors that are not of the state's layout,
  ///   ``MomentumError/invalidSetting(_:)`` for a state of version 0.1, which does not say what its tensors are.
  /// - Complexity: O(n); copies the vectors.
  public func migrated(
    to layout: ParameterLayout
  ) throws(MomentumError) -> (state: OptimizerState, migration: StateMigration) {
    guard let own = self.layout else {
      throw .invalidSetting(
        name: "layout of the state", value: "missing", expected: "one, which states of version 0.1 do not have")
    }
    try validate(own)
    var state = OptimizerState(layout)
    (state.stepCount, state.lastStepClipped) = (stepCount, lastStepClipped)
    (state.lossScale, state.adaptiveLimit) = (lossScale, adaptiveLimit)
    let sources = try layout.sources(in: own)
    for (index, source) in sources.enumerated() {
      guard let source else { continue }
      (state.velocities[index], state.averages[index]) = (velocities[source], averages[source])
    }
    func moved(_ elements: [Scalar]) -> [Scalar] {
      guard !elements.isEmpty else { return [] }
      var moved = [Scalar](repeating: 0, count: layout.count)
      for (tensor, source) in zip(layout.tensors, sources) {
        if let source { moved.replaceSubrange(tensor.range, with: elements[own.tensors[source].range]) }
      }
      return moved
    }
    (state.direction, state.secondMoment, state.average) = (moved(direction), moved(secondMoment), moved(average))
    return (state, StateMigration(from: own, to: layout))
  }
}

extension ParameterLayout {
  /// The position in another layout of each tensor of this one, `nil` where there is none.
  ///
  /// - Throws: ``MomentumError/layoutMismatch(_:)`` for one of another shape.
  package func sources(in other: ParameterLayout) throws(MomentumError) -> [Int?] {
    var sources: [Int?] = []
    for (position, tensor) in tensors.enumerated() {
      let source = other.index(of: tensor.name)
      if let source, other.tensors[source].shape != tensor.shape {
        let found = other.tensors[source]
        throw .layoutMismatch(
          LayoutMismatch(
            what: "state", position: position, found: LayoutMismatch.Tensor(name: found.name, shape: found.shape),
            expected: LayoutMismatch.Tensor(name: tensor.name, shape: tensor.shape)))
      }
      sources.append(source)
    }
    return sources
  }
}
