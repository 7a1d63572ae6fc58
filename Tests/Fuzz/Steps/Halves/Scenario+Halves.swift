import Momentum

// Steps in half precision, which are those of `Float`s by definition. They go on from the present state in optimizers of
// their own, so that they meet every combination of settings.
extension Scenario where Scalar == Float {
  func stepHalves() throws {
    // A state that is not finite is not taken on.
    guard layout.count < 20_000, isFinite(current.state) else { return }
    let step = HalfStep(
      layout: layout, settings: settings, state: current.state,
      gradient: HalfGradient(drawGradient(), layout, &random), seed: random.next())
    if settings.velocityType != nil { coverage.note("half velocity") }
    if step.overflow == .saturate { coverage.note("half saturates") }

    let masters = try step.reference(current.parameters, &random)
    for form in [HalfStep.Form.floats, .copied, .split] {
      try compare(form, masters, try step.take(form, current.parameters, &random))
    }
    let rounded = current.parameters.map { Float(BFloat16($0)) }
    let nearest = try step.take(.nearest, rounded, &random)
    let stochastic = try step.take(.stochastic, rounded, &random)
    guard settings.mode == .twoPass else {
      guard case .failure(.invalidSetting) = nearest.result, case .failure(.invalidSetting) = stochastic.result else {
        throw Difference("rounded parameters in one pass", expected: "a refusal", found: nearest.result)
      }
      return coverage.note("half refused")
    }
    var expected = try step.reference(rounded, &random)
    let exact = expected.snapshot.parameters
    expected.snapshot.parameters = exact.map { step.rounded($0) }
    try compare(.nearest, expected, nearest)
    // One of the two neighbours, and the same one whatever the order and the threads.
    for (index, (element, found)) in zip(exact, stochastic.snapshot.parameters).enumerated() {
      let upper = element.bitPattern >> 16
      let isNeighbour = found.bitPattern >> 16 == upper || found.bitPattern >> 16 == upper + 1
      guard !isNeighbour, !(element.isNaN && found.isNaN) else { continue }
      throw Difference("rounding at random", index: index, expected: element, found: found)
    }
    expected.snapshot.parameters = stochastic.snapshot.parameters
    try compare(.stochastic, expected, stochastic)
    try compare(.stochastic, expected, try step.take(.stochastic, rounded, &random))
  }

  private func compare(_ form: HalfStep.Form, _ expected: HalfStep.Outcome, _ found: HalfStep.Outcome) throws {
    let comparison = Comparison(names: "half \(form) against Floats", layout: layout)
    switch (expected.result, found.result) {
    case (.success(let x), .success(let y)): try comparison.compare(x, y)
    // The first tensor at fault depends on their order.
    case (.failure(.nonFiniteGradient), .failure(.nonFiniteGradient)): break
    case (.failure(.invalidSetting), .failure(.invalidSetting)): break
    case (let x, let y): throw Difference("\(comparison.names), result", expected: x, found: y)
    }
    try comparison.compare(expected.snapshot, found.snapshot)
    coverage.note("half \(form)")
  }
}
