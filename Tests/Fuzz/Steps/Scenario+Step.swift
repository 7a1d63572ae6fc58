import Momentum

// One step of all twins, and its comparisons.
extension Scenario {
  /// What one twin made of a step.
  private enum Result {
    case report(StepReport)
    case refused(MomentumError)
  }

  func step(_ input: StepInput<Scalar>) throws {
    // What an accumulator holds is read before the step empties it.
    let sum = try accumulated(input)
    let results = try twins.enumerated().map { try take(input, by: $1, at: $0) }
    if plant == .bit, steps == 2 { Plant.flipBit(of: twins[1]) }
    if plant == .refusal, case .refused = results[0] { twins.forEach { Plant.flipBit(of: $0) } }
    let after = Snapshot(twins[0])
    try compareTwins(results, after)

    let microSteps = if case .accumulated(.mean, _) = input.kind { input.gradients.count } else { 1 }
    try sum.elements.withUnsafeBufferPointer { all in
      let gradients = zip(layout.tensors, sum.isMissing).map { tensor, isMissing in
        isMissing ? nil : UnsafeBufferPointer(rebasing: all[tensor.range])
      }
      let plain = PlainStep<Scalar, Wide>(
        layout: layout, settings: settings, membership: membership, before: current, gradients: gradients,
        microSteps: microSteps, units: units)
      current = after
      try judge(PlainVerdict(plain, after: after), results[0])
    }
    (steps, elements) = (steps + 1, elements + layout.count)
  }

  private func take(_ input: StepInput<Scalar>, by twin: Twin<Scalar>, at position: Int) throws -> Result {
    var input = input
    if case .accumulated = input.kind, position % 2 == 1, settings.mode == .twoPass, input.gradients.count == 1 {
      // The sum of one gradient is that gradient.
      input.kind = .direct
      coverage.note("accumulated one against direct")
    }
    var wroteGradient = false
    do {
      let report = try twin.step(input, wroteGradient: &wroteGradient)
      if wroteGradient { throw Difference("\(twin.name), gradient", expected: "unchanged", found: "written") }
      return .report(report)
    } catch let error as MomentumError {
      if wroteGradient { throw Difference("\(twin.name), gradient", expected: "unchanged", found: "written") }
      return .refused(error)
    }
  }

  private func compareTwins(_ results: [Result], _ first: Snapshot<Scalar>) throws {
    let reports = twins[0].optimizer.tensorReports()
    if case .report(let report) = results[0], !report.wasSkipped,
      twins.contains(where: { $0.optimizer.lastStepWasFused })
    {
      fusedSteps += 1
    }
    for (twin, result) in zip(twins, results).dropFirst() {
      let comparison = Comparison(names: "\(twin.name) against \(twins[0].name)", layout: layout)
      switch (results[0], result) {
      case (.report(let x), .report(let y)):
        try comparison.compare(x, y)
        try comparison.compare(reports, twin.optimizer.tensorReports())
      case (.refused(let x), .refused(let y)): try comparison.compare("error", "\(x)", "\(y)")
      case (let x, let y): throw Difference("\(comparison.names), result", expected: x, found: y)
      }
      try comparison.compare(first, Snapshot(twin))
      if !twin.gapsAreUntouched { throw Difference("\(twin.name), gaps", expected: "unchanged", found: "written") }
    }
  }

  private func judge(_ verdict: PlainVerdict<Scalar, Wide>, _ result: Result) throws {
    let refusal = verdict.refusal()
    switch result {
    case .report(let report):
      if let refusal { throw Difference("plain loop, result", expected: "refused at \(refusal)", found: report) }
      accuracy.merge(try verdict.check(report, twins[0].optimizer.tensorReports()))
      acceptedSettings = settings
      coverage.note(settings, report)
      return
    case .refused(.nonFiniteGradient(let tensor, let index, _)):
      guard let refusal, refusal.tensor == tensor, refusal.index == index else {
        throw Difference("plain loop, result", expected: refusal.map { "\($0)" } ?? "a step", found: (tensor, index))
      }
      coverage.note("refused: not finite")
    case .refused(.invalidSetting):
      coverage.note("refused: setting")
      try verdict.checkNothingWritten(apartFromLimits: false)
      return try setSettings(acceptedSettings)
    case .refused(let error): throw Difference("plain loop, result", expected: "a step", found: error)
    }
    try verdict.checkNothingWritten(apartFromLimits: false)
  }

  // MARK: Accumulated gradients

  /// The gradient that the step is taken with: the only one, or the sum, checked against a plain one.
  private func accumulated(_ input: StepInput<Scalar>) throws -> StepInput<Scalar>.Gradient {
    guard case .accumulated(let reduction, let algorithm) = input.kind else { return input.gradients[0] }
    coverage.note("accumulated \(reduction)")
    let sum = try twins[0].sum(input, reduction, algorithm)
    let bounds = Bounds<Wide>(Scalar.self)
    for (index, tensor) in layout.tensors.enumerated() {
      let parts = input.gradients.filter { !$0.isMissing[index] }
      if parts.isEmpty != sum.isMissing[index] {
        throw Difference("accumulator", tensor: tensor.name, expected: parts.isEmpty, found: sum.isMissing[index])
      }
      guard parts.count > 1 else { continue }
      for i in tensor.range {
        var (total, size): (Wide, Wide) = (0, 0)
        for part in parts { (total, size) = (total + Wide(part.elements[i]), size + Wide(part.elements[i].magnitude)) }
        if size > bounds.greatest / 4, size.isFinite { continue }
        let error = (Wide(sum.elements[i]) - total).magnitude
        guard !total.isFinite ? !sum.elements[i].isFinite : error <= 2 * bounds.unit * size else {
          throw Difference(
            "accumulator, sum", tensor: tensor.name, index: i - tensor.offset, expected: total, found: sum.elements[i])
        }
      }
    }
    return sum
  }
}
