import Momentum

/// Norms, clips and steps of one gradient of more than 2^31 elements.
///
/// The gradient is zero except for a few elements around 2^31 and at both ends, whose squares add up to 16². Every
/// expected result is a short binary number, so all comparisons are for equality. Pages of the gradient that were never
/// written take no memory.
struct LargeVectors {
  /// The elements of the gradient that are not zero. 2^31 is the start of a tile.
  private static let values: [(index: Int, value: Float)] = [
    (0, 1), (1 << 31 - 1, -2), (1 << 31, 3), (1 << 31 + 1, -5), (1 << 31 + 2047, 6), (1 << 31 + 2048, -9),
    (LargeReport.count - 1, 10),
  ]
  private static let norm = 16.0

  private let gradient: MappedZeros
  private let layout: ParameterLayout

  init() throws {
    gradient = try MappedZeros(count: LargeReport.count)
    for (index, value) in Self.values { gradient.elements[index] = value }
    // The second tensor begins beyond 2^31, the third one at an odd index.
    layout = try ParameterLayout([
      ("body", [1 << 31 - 1]), ("middle", [2, 1023]), ("tail", [LargeReport.count - (1 << 31 + 2045)]),
    ])
  }

  /// A check, with the amount of memory that it writes; it returns what was wrong.
  struct Check {
    var name: String
    var bytes = 0
    var run: (LargeVectors) throws -> [String]
  }

  static let parameterBytes = LargeReport.count * MemoryLayout<Float>.stride

  static var checks: [Check] {
    var checks = [
      Check(name: "norm, one thread") { try $0.checkNorm(.blas, threads: 1) },
      Check(name: "norm, all threads") { try $0.checkNorm(.blas, threads: nil) },
      Check(name: "norm, 7 threads") { try $0.checkNorm(.blas, threads: 7) },
      Check(name: "norm, portable") { try $0.checkNorm(.portable, threads: nil) },
      Check(name: "norm of types 1 and infinity") { try $0.checkOtherNorms() },
      Check(name: "norm of partials cut at 2^31") { try $0.checkPartials() },
      Check(name: "clip in place that has nothing to do writes nothing") { try $0.checkIdleClip() },
      Check(name: "clip in place by norm", bytes: parameterBytes) { _ in try LargeVectors().checkClip() },
      Check(name: "first NaN beyond 2^31 is named, nothing is written") { try $0.checkFirstOffender() },
    ]
    for threads in [1, 2, 7] {
      checks.append(
        Check(name: "clipped step, threads: \(threads)", bytes: parameterBytes) {
          try $0.checkSteps(momentum: 0, threads: threads, expected: [-0.25])
        })
    }
    checks.append(
      Check(name: "two clipped steps with momentum", bytes: 2 * parameterBytes) {
        try $0.checkSteps(momentum: 0.5, threads: nil, expected: [-0.25, -0.625])
      })
    return checks
  }

  private var read: UnsafeBufferPointer<Float> { UnsafeBufferPointer(gradient.elements) }

  private func checkNorm(_ algorithm: NormAlgorithm, threads: Int?) throws -> [String] {
    let report = try Gradients.norm(of: read, algorithm: algorithm, threads: threads)
    return expect("norm", report.norm, Self.norm)
      + expect("non-finite elements", report.nanCount + report.infinityCount, 0)
  }

  private func checkOtherNorms() throws -> [String] {
    try expect("1-norm", Gradients.norm(of: read, type: .l1).norm, 36)
      + expect("maximum norm", Gradients.norm(of: read, type: .infinity).norm, 10)
  }

  private func checkPartials() throws -> [String] {
    var parts = try NormPartial(of: UnsafeBufferPointer(rebasing: read[(1 << 31)...]))
    parts.merge(try NormPartial(of: UnsafeBufferPointer(rebasing: read[..<(1 << 31)])))
    let whole = try NormPartial(of: read)
    return expect("norm of the partials", parts.norm, Self.norm)
      + expect("words equal those of the whole", parts == whole, true)
  }

  private func checkIdleClip() throws -> [String] {
    // Writing even a zero would turn a shared page into one of this process.
    let before = MemoryBudget.resident
    let report = try Gradients.clip(
      [gradient.elements], by: GradientClipping(value: -10...10, whole: .norm(Self.norm)))
    let growth = (MemoryBudget.resident ?? 0) - (before ?? 0)
    return expect("norm", report.totalNorm, Self.norm) + expect("clipped", report.wasClipped, false)
      + expect("memory grew by more than 256 MB", growth > 256 << 20, false)
  }

  /// Writes every page of the gradient, so it needs a gradient that no other check uses.
  private func checkClip() throws -> [String] {
    let report = try Gradients.clip([gradient.elements], by: GradientClipping(whole: .norm(Self.norm / 2)))
    return expect("coefficient", report.clipCoefficient, 0.5) + compare(read, with: 0.5)
  }

  private func checkFirstOffender() throws -> [String] {
    let index = 1 << 31 + 2048 + 5
    gradient.elements[index] = .nan
    gradient.elements[LargeReport.count - 1] = .infinity
    defer {
      gradient.elements[index] = 0
      gradient.elements[LargeReport.count - 1] = 10
    }
    let parameters = try MappedZeros(count: LargeReport.count)
    let before = MemoryBudget.resident
    var found: [String] = []
    for layout in [try ParameterLayout(count: LargeReport.count), layout] {
      var optimizer = try Optimizer<Float>(layout, rule: SGD(learningRate: 0.5), nonFinitePolicy: .throw)
      let position = layout.tensors.firstIndex { $0.range.contains(index) }!
      let tensor = layout.tensors[position]
      do {
        try optimizer.step(parameters: parameters.elements, gradients: read)
        found.append("the step did not throw")
      } catch MomentumError.nonFiniteGradient(tensor.name, index - tensor.offset, let value) where value.isNaN {
        continue
      } catch {
        found.append("\(error)")
      }
    }
    let report = try Gradients.norm(of: read)
    let growth = (MemoryBudget.resident ?? 0) - (before ?? 0)
    return found + expect("NaN elements", report.nanCount, 1) + expect("infinite elements", report.infinityCount, 1)
      + expect("memory grew by more than 256 MB", growth > 256 << 20, false)
  }

  /// Steps from zero; after step k every parameter is `expected[k]` times its gradient.
  private func checkSteps(momentum: Double, threads: Int?, expected: [Float]) throws -> [String] {
    let parameters = try MappedZeros(count: LargeReport.count)
    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.5, momentum: momentum), clipping: .byGlobalNorm(Self.norm / 2), threads: threads
    )
    var found: [String] = []
    for factor in expected {
      let report = try optimizer.step(parameters: parameters.elements, gradients: read)
      found += expect("norm", report.totalNorm, Self.norm) + expect("coefficient", report.clipCoefficient, 0.5)
      found += compare(UnsafeBufferPointer(parameters.elements), with: factor)
    }
    return found
  }

  /// Compares every element with a multiple of the gradient.
  private func compare(_ x: UnsafeBufferPointer<Float>, with factor: Float) -> [String] {
    var found: [String] = []
    var nonZeros = 0
    for element in x where element != 0 { nonZeros += 1 }
    found += expect("elements that are not 0", nonZeros, Self.values.count)
    for (index, value) in Self.values { found += expect("element \(index)", x[index], factor * value) }
    return found
  }

  private func expect<Value: Equatable>(_ what: String, _ value: Value, _ expected: Value) -> [String] {
    value == expected ? [] : ["\(what): \(value), expected \(expected)"]
  }
}
