import Momentum
import MomentumFiles

/// One scenario: a layout, settings, and what happens to four optimizers that have to stay twins, and to the plain loop.
final class Scenario<Scalar: BLASScalar & SafetensorsScalar, Wide: WideNumber> {
  var random: Random
  let pools: ElementPools<Scalar>
  let plant: Plant?
  let frame: Frame
  let layout: ParameterLayout
  var settings: Settings
  /// The settings of the last step that was not refused.
  var acceptedSettings: Settings
  var membership: [Int?]
  /// The first is the one that the others and the plain loop are compared with.
  var twins: [Twin<Scalar>]
  let units = PlainUnitsMemory()
  /// What the first twin holds.
  var current: Snapshot<Scalar>

  /// How likely gradients of extreme sizes, elements that are not finite, and missing gradients are.
  private let wildness, poison, absence: Double

  var coverage = Coverage()
  var accuracy = AccuracyRecord()
  var steps = 0
  /// The steps that the first twin took by calls of BLAS, and another one by fused loops alone.
  var fusedSteps = 0
  var elements = 0

  init(_ random: Random, _ pools: ElementPools<Scalar>, plant: Plant?, most: Int) throws {
    var random = random
    self.pools = pools
    self.plant = plant
    frame = random.drawFrame(most: most)
    layout = try ParameterLayout(zip(frame.names, frame.shapes).map { ($0, $1) })
    wildness = random.weighted([(0.6, 0), (0.25, 0.08), (0.15, 0.5)])
    poison = random.weighted([(0.5, 0), (0.35, 0.12), (0.15, 0.5)])
    absence = random.weighted([(0.5, 0), (0.35, 0.15), (0.15, 0.7)])
    let velocityType: ElementType? = Scalar.self == Float.self && random.chance(0.2) ? .bfloat16 : nil
    var settings = random.drawSettings(frame)
    var tries = 0
    while true {
      settings.velocityType = velocityType
      do {
        let _: Optimizer<Scalar> = try settings.makeOptimizer(layout, threads: 1)
        break
      } catch {
        // Groups that find no tensor, as a rule.
        coverage.note("refused: setting")
        tries += 1
        settings = tries < 10 ? random.drawSettings(frame) : Settings()
      }
    }
    let spoiled = settings.spoiled(by: plant)
    let others: [Twin<Scalar>.Storage] = [
      .list, random.pick([.span, .flat]), random.pick([.flat, .span, .list, .vector]),
    ]
    var twins: [Twin<Scalar>] = [try Twin("alone", .vector, layout, spoiled, threads: 1, .blas, &random)]
    var ways = random.others
    for (name, storage) in zip(["threads", "spans", "restored"], others) {
      let threads = name == "threads" ? random.within(2...3) : random.within(1...3)
      // Loops run in every scenario.
      let kernels = name == "spans" || ways.chance(0.7) ? StepKernels.fused : .automatic
      let meets = ways.chance(0.5)
      twins.append(try Twin(name, storage, layout, spoiled, threads: threads, kernels, meets: meets, &random))
    }
    self.twins = twins
    (self.settings, acceptedSettings) = (settings, settings)
    membership = PlainGroups.membership(settings.groups, of: frame.names)
    current = Snapshot(twins[0])
    self.random = random
    setParameters()
    coverage.note(layout, Scalar.self, twins)
    if velocityType != nil { coverage.note("velocity bfloat16") }
  }

  /// - Throws: A ``Difference``.
  func run() throws {
    let most = layout.count > 100_000 ? 6 : layout.count > 20_000 ? 12 : random.chance(0.25) ? 120 : 40
    for _ in 0..<random.within(3...most) {
      try step(drawInput())
      try takeEvent()
    }
  }

  /// Gives all twins new parameters.
  func setParameters() {
    let scale = random.logUniform(0.05, 2)
    var parameters = Array(repeating: Scalar(0), count: layout.count)
    fill(&parameters) { random in
      (random.weighted([(0.85, .normal), (0.07, .integers), (0.05, .zeros), (0.03, .sparse)]), scale)
    }
    for twin in twins { twin.setParameters(parameters) }
    current = Snapshot(twins[0])
  }

  func fill(_ vector: inout [Scalar], _ kind: (inout Random) -> (ElementKind, scale: Double)) {
    vector.withUnsafeMutableBufferPointer { all in
      for tensor in layout.tensors {
        let (kind, scale) = kind(&random)
        pools.fill(UnsafeMutableBufferPointer(rebasing: all[tensor.range]), kind, scale: scale, &random)
      }
    }
  }

  // MARK: Gradients

  private func drawInput() -> StepInput<Scalar> {
    guard random.chance(0.2) else { return StepInput(kind: .direct, gradients: [drawGradient()]) }
    let kind = StepInput<Scalar>.Kind.accumulated(
      random.chance(0.6) ? .mean : .sum, random.chance(0.2) ? .portable : .blas)
    return StepInput(kind: kind, gradients: (0..<random.within(1...3)).map { _ in drawGradient() })
  }

  func drawGradient() -> StepInput<Scalar>.Gradient {
    let factor = random.chance(0.08) ? random.logUniform(10, 1e4) : random.logUniform(0.3, 3)
    let (scale, isWild) = (frame.scale * factor, random.chance(wildness))
    var gradient = StepInput<Scalar>.Gradient(
      elements: Array(repeating: 0, count: layout.count), isMissing: layout.tensors.map { _ in false })
    var kinds: [ElementKind] = []
    fill(&gradient.elements) { random in
      let kind: ElementKind =
        isWild && random.chance(0.6)
        ? random.pick(ElementKind.allCases)
        : random.weighted([(0.84, .normal), (0.06, .integers), (0.04, .zeros), (0.03, .sparse), (0.03, .constant)])
      kinds.append(kind)
      return (kind, scale)
    }
    for kind in Set(kinds) { coverage.note("gradient \(kind)") }
    if layout.count > 0, random.chance(poison) {
      for _ in 0..<random.within(1...4) {
        gradient.elements[random.below(layout.count)] = random.pick([.nan, .infinity, -.infinity, -.nan])
      }
    }
    for index in gradient.isMissing.indices { gradient.isMissing[index] = random.chance(absence) }
    if gradient.isMissing.contains(true) { coverage.note("missing gradients") }
    return gradient
  }
}
