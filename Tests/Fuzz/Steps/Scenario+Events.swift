import Foundation
import Momentum
import MomentumFiles

// What happens between steps. Every event happens to all twins, or must make no difference.
extension Scenario {
  func takeEvent() throws {
    if random.chance(0.25) { try restore() }
    if random.chance(0.14) { try change() }
    if random.chance(0.1) { try limitAtNorm() }
    if random.chance(0.05) { try refuse() }
    if random.chance(0.05) { fold() }
    if random.chance(0.03) { try setVelocities() }
    if layout.count < 5_000, random.chance(0.01) { try saveAndLoad() }
    if random.chance(0.1) { try (self as? Scenario<Float, Double>)?.stepHalves() }
    try heal()
  }

  // MARK: States

  /// One twin goes on in a new optimizer.
  private func restore() throws {
    let twin = twins[3]
    var state = twin.optimizer.state()
    guard isFinite(state) else { return try refuse(state) }
    if plant == .scale { Plant.forgetScales(in: &state) }
    twin.optimizer = try settings.spoiled(by: plant).makeOptimizer(
      layout, threads: twin.threads, kernels: twin.kernels)
    try twin.optimizer.restore(state)
    coverage.note("restored in memory")
  }

  /// The same by way of a file.
  private func saveAndLoad() throws {
    let path = NSTemporaryDirectory() + "/step-fuzz-\(UUID()).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let twin = twins[3]
    guard isFinite(twin.optimizer.state()) else { return }
    try StateFile.save(twin.optimizer, to: path)
    twin.optimizer = try settings.spoiled(by: plant).makeOptimizer(
      layout, threads: twin.threads, kernels: twin.kernels)
    try StateFile.load(path, into: &twin.optimizer)
    coverage.note("restored from a file")
  }

  /// Whether the velocities and averages that a state stands for are finite: others are not taken back.
  func isFinite(_ state: OptimizerState<Scalar>) -> Bool {
    layout.tensors.enumerated().allSatisfy { index, tensor in
      let vectors = [
        (state.direction, state.velocities[index].scale), (state.average, state.averages[index].scale),
        (state.secondMoment, 1),
      ]
      return vectors.allSatisfy { vector, scale in
        vector.isEmpty || vector[tensor.range].allSatisfy { ($0 * Scalar(scale)).isFinite }
      }
    }
  }

  private func refuse(_ state: OptimizerState<Scalar>) throws {
    var other: Optimizer<Scalar> = try settings.makeOptimizer(layout, threads: 1)
    do {
      try other.restore(state)
    } catch MomentumError.nonFiniteState {
      return coverage.note("state refused")
    }
    throw Difference("restoring a state that is not finite", expected: "a refusal", found: "a state")
  }

  private func fold() {
    // Without elements there is nothing to fold, and only those that hold a vector of no length set its scale to 1.
    guard layout.count > 0 else { return }
    for twin in twins {
      twin.optimizer.foldVelocity()
      twin.optimizer.foldAverage()
    }
    current = Snapshot(twins[0])
    coverage.note("folded")
  }

  private func setVelocities() throws {
    let values = drawGradient()
    guard values.elements.allSatisfy(\.isFinite) else { return }
    for twin in twins {
      for (index, tensor) in layout.tensors.enumerated() where !values.isMissing[index] {
        try values.elements.withUnsafeBufferPointer { all in
          try twin.optimizer.setVelocity(ofTensor: index, UnsafeBufferPointer(rebasing: all[tensor.range]))
        }
      }
    }
    current = Snapshot(twins[0])
    coverage.note("velocity set")
  }

  /// Once everything is NaN, nothing can differ any more.
  private func heal() throws {
    guard !current.parameters.allSatisfy(\.isFinite), random.chance(0.75) else { return }
    setParameters()
    try startOver()
  }

  /// Gives all twins the state of a beginning.
  private func startOver() throws {
    var state = OptimizerState<Scalar>(layout)
    state.stepCount = random.chance(0.5) ? current.state.stepCount : 0
    for twin in twins { try twin.optimizer.restore(state) }
    current = Snapshot(twins[0])
  }

  // MARK: Settings

  func setSettings(_ new: Settings) throws {
    var new = new
    new.velocityType = settings.velocityType
    // A correction would round such a velocity twice, of which the bounds know nothing.
    if new.velocityType != nil { new.mode = .twoPass }
    settings = new
    membership = PlainGroups.membership(new.groups, of: frame.names)
    for twin in twins { try new.spoiled(by: plant).apply(to: &twin.optimizer, adaptsAnew: true) }
    current = Snapshot(twins[0])
  }

  private func change() throws {
    var new = settings
    let onePass = new.mode == .onePass
    var starts = false
    switch random.below(12) {
    case 0, 1:
      new.rule.learningRate *= random.pick([0.5, 0.1, 2])
    case 2:
      let keepsLearningRate = new.rule.keepsLearningRate
      new.rule = random.drawRule(new.convention, frame, onePass: onePass, matrices: frame.leastRank >= 2)
      // A velocity of the other kind is refused, which happens often enough.
      if random.chance(0.8), new.rule.keepsLearningRate != keepsLearningRate { return }
    case 3, 4:
      if new.groups.contains(where: { $0.clip != nil }) { return }
      new.clip = random.drawClip(new.convention, frame, onePass: onePass)
    case 5: new.policy = random.drawPolicy(onePass: onePass)
    case 6: new.averaging = onePass || (new.averaging != nil && random.chance(0.5)) ? nil : random.drawAveraging()
    case 7: new.loss = random.drawLoss(onePass: onePass)
    case 8: new.adaptive = onePass || (new.adaptive != nil && random.chance(0.4)) ? nil : random.drawAdaptive(frame)
    case 9: new.groups = random.drawGroups(new, frame)
    case 10:
      new = random.drawSettings(frame)
      starts = true
    default: return try convert()
    }
    try setSettings(new)
    if starts { try startOver() }
    coverage.note("settings changed")
  }

  /// Goes on under another convention, with velocities in its form.
  private func convert() throws {
    var new = settings
    new.convention = random.pick(Convention.allCases)
    let keeps = new.convention == .keras
    new.rule = random.drawRule(new.convention, frame, onePass: true, matrices: false)
    new.clip = random.drawClip(new.convention, frame, onePass: new.mode == .onePass)
    new.groups = []
    try setSettings(new)
    for twin in twins { try twin.optimizer.convertVelocity(toKeepLearningRate: keeps, learningRate: 0.125) }
    current = Snapshot(twins[0])
    coverage.note("velocity converted")
  }

  /// Sets a limit at, or next to, a number that it will be compared with. In one pass that may be the norm of some tiles,
  /// where a segment stops.
  private func limitAtNorm() throws {
    let gradient = drawGradient().elements
    let tensor = random.pick(layout.tensors)
    let isPart = settings.mode == .onePass && random.chance(0.7)
    let part = min(tensor.count, Tile.count * random.within(1...4))
    let range = isPart ? tensor.offset..<tensor.offset + part : random.chance(0.5) ? tensor.range : 0..<layout.count
    let report = try Gradients.norm(of: gradient[range].span, type: settings.clip.type, threads: 1)
    // A limit next to 0 would make coefficients that the plain loop cannot hold.
    guard report.norm.isFinite, report.norm > 1e-200, settings.clip.type != .p(0) else { return }
    let limit = random.pick([report.norm, report.norm.nextUp, report.norm.nextDown, report.norm * (1 + 2e-5)])
    var new = settings
    switch (new.clip.whole, new.clip.tensor) {
    case (.norm, _): new.clip.whole = .norm(limit)
    case (_, .norm): new.clip.tensor = .norm(limit)
    default: return
    }
    try setSettings(new)
    coverage.note("limit at the norm")
    // The gradient that the limit was made for.
    try step(
      StepInput(
        kind: .direct,
        gradients: [StepInput.Gradient(elements: gradient, isMissing: layout.tensors.map { _ in false })]))
  }
}
