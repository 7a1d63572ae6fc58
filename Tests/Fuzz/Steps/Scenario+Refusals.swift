import Momentum

// Steps that must be refused, and must have written nothing then.
extension Scenario {
  private enum Mistake: CaseIterable {
    case flatCount, listCount, tensorCount, flatOverlap, listOverlap, emptyAccumulator, setting
  }

  func refuse() throws {
    let mistake = random.pick(Mistake.allCases)
    // Only a tensor with elements can overlap, or have one too few.
    guard let tensor = layout.tensors.firstIndex(where: { $0.count > 1 }) else { return }
    let gradient = drawGradient()
    for twin in twins {
      let before = Snapshot(twin)
      let found: MomentumError?
      do {
        try attempt(mistake, twin, gradient.elements, tensor)
        found = nil
      } catch let error as MomentumError { found = error }
      let expected: String
      switch (mistake, found) {
      case (.flatCount, .countMismatch), (.listCount, .countMismatch), (.tensorCount, .countMismatch):
        expected = "refused: count"
      case (.flatOverlap, .overlap), (.listOverlap, .overlap): expected = "refused: overlap"
      case (.emptyAccumulator, .invalidSetting): expected = "refused: empty accumulator"
      case (.setting, .invalidSetting): expected = "refused: setting"
      default: throw Difference("\(twin.name), mistake \(mistake)", expected: "an error", found: found as Any)
      }
      coverage.note(expected)
      try Comparison(names: "\(twin.name), a step that was refused", layout: layout).compare(before, Snapshot(twin))
    }
  }

  private func attempt(_ mistake: Mistake, _ twin: Twin<Scalar>, _ gradient: [Scalar], _ tensor: Int) throws {
    if mistake == .setting { return try attemptSetting(twin, gradient) }
    if mistake == .emptyAccumulator {
      var accumulator = try GradientAccumulator<Scalar>(layout, threads: 1)
      return try twin.withParameters { _ = try twin.optimizer.step(parameters: $0, gradients: &accumulator) }
    }
    try gradient.withUnsafeBufferPointer { all in
      var gradients: [UnsafeBufferPointer<Scalar>?] = layout.tensors.map {
        UnsafeBufferPointer(rebasing: all[$0.range])
      }
      try twin.withParameters { list in
        var list = list
        switch mistake {
        case .flatCount:
          let flat = UnsafeMutableBufferPointer(start: list[tensor].baseAddress, count: layout.count)
          _ = try twin.optimizer.step(parameters: flat, gradients: UnsafeBufferPointer(rebasing: all.dropFirst()))
          return
        case .flatOverlap:
          let flat = UnsafeMutableBufferPointer(start: list[tensor].baseAddress, count: layout.count)
          _ = try twin.optimizer.step(parameters: flat, gradients: UnsafeBufferPointer(flat))
          return
        case .listCount: gradients.removeLast()
        case .tensorCount: list[tensor] = UnsafeMutableBufferPointer(rebasing: list[tensor].dropLast())
        default: gradients[tensor] = UnsafeBufferPointer(list[tensor])
        }
        _ = try twin.optimizer.step(parameters: list, gradients: gradients)
      }
    }
  }

  private func attemptSetting(_ twin: Twin<Scalar>, _ gradient: [Scalar]) throws {
    let rule = twin.optimizer.rule
    defer { twin.optimizer.rule = rule }
    var wrong = try SGD(learningRate: 0.1, momentum: 0.9, convention: settings.convention)
    wrong.learningRate = -1
    twin.optimizer.rule = wrong
    var wroteGradient = false
    let isMissing = layout.tensors.map { _ in false }
    _ = try twin.step(
      StepInput(kind: .direct, gradients: [StepInput.Gradient(elements: gradient, isMissing: isMissing)]),
      wroteGradient: &wroteGradient)
  }
}
