import Momentum

/// Compares ways to step parameters in half precision with each other and with plain loops.
struct HalfVerification {
  let vectors: HalfVectors
  let memory: BenchMemory<Float>
  let settings: StepSettings
  let row: String
  let coefficient: Double
  private let steps = 2

  init(_ vectors: HalfVectors, _ memory: BenchMemory<Float>, _ settings: StepSettings, squares: [Double], row: String) {
    (self.vectors, self.memory, self.settings, self.row) = (vectors, memory, settings, row)
    coefficient = settings.coefficient(squares: squares.reduce(0, +))
  }

  /// The parameters of the sample after some steps from the start.
  func results(of contender: some HalfContender) throws -> [Float] {
    memory.fillParameters()
    vectors.fillParameters()
    for _ in 0..<steps { try contender.run() }
    return memory.sample.map(contender.parameter)
  }

  /// Fails unless the parameters have the bits expected, and a copy is the parameters rounded to nearest.
  func verify(_ contender: some HalfContender, _ name: String, bits expected: [Float]) throws {
    let found = try results(of: contender)
    for (place, index) in memory.sample.enumerated() where found[place].bitPattern != expected[place].bitPattern {
      throw failure(name, "element \(index) is \(found[place]) after \(steps) steps, expected \(expected[place])")
    }
    try verifyCopy(name)
  }

  /// Fails unless the parameters are near those of a plain loop in Double; or, if every step rounds them, are those
  /// expected but for elements that a last bit of Float sends the other way, which are few.
  func verify(_ contender: some HalfContender, _ name: String, near expected: [Float]) throws {
    let found = try results(of: contender)
    var strayCount = 0
    for (place, index) in memory.sample.enumerated() {
      let start = Double(BenchMemory<Float>.parameter(index))
      let reference = settings.reference(
        start, Double(memory.gradients[index]), coefficient: coefficient, steps: steps)
      let isRounded = vectors.storage.roundsParameters
      let wanted = isRounded ? Double(expected[place]) : reference.parameter
      var tolerance = 4 * Double(Float.ulpOfOne) * abs(start) + 2 * normTolerance(Float.self) * reference.distance
      // Of the last step's velocity, rounded to eight digits in one way or another.
      if vectors.storage.hasHalfVelocity { tolerance += reference.distance * 0x1p-8 }
      if isRounded, found[place] != expected[place] {
        strayCount += 1
        // Two units in the last place of a number of eight digits.
        tolerance += max(abs(wanted), Double(abs(found[place]))) * 0x1p-6
      }
      guard abs(Double(found[place]) - wanted) <= tolerance else {
        throw failure(name, "element \(index) is \(found[place]) after \(steps) steps, expected \(wanted)")
      }
    }
    guard strayCount <= 2 + memory.sample.count / 100 else {
      throw failure(name, "\(strayCount) of \(memory.sample.count) elements are rounded the other way")
    }
    try verifyCopy(name)
  }

  private func verifyCopy(_ name: String) throws {
    guard vectors.storage == .bfloat16Copy else { return }
    for index in memory.sample {
      let expected = Float(BFloat16(vectors.parameters[index]))
      guard vectors.narrow(at: index) == expected else {
        throw failure(
          name, "element \(index) of the copy is \(vectors.narrow(at: index)), expected \(expected)")
      }
    }
  }

  private func failure(_ contender: String, _ cause: String) -> BenchFailure {
    BenchFailure(row: row, contender: contender, cause: cause)
  }
}

extension BenchContest {
  /// Verifies the ways to take a step with something in half precision: the engine's, to the last bit, with a step of
  /// `Float`s on widened gradients; the others within the bounds of `Float`.
  static func halfStep(
    _ operation: BenchOperation, _ storage: StepStorage, _ memory: BenchMemory<Float>, _ kernel: LimitKernel,
    kernels: StepKernels = .automatic, row: String
  ) throws -> BenchContest {
    let vectors = try HalfVectors(
      storage, memory.layout, threads: memory.threads, lent: storage.hasWideParameters ? memory.parameters : nil)
    memory.widenGradients(of: vectors, kernel)
    let squares = memory.sumsOfSquares()
    let settings = StepSettings(operation, rule: try operation.rule, squares: squares)
    let verification = HalfVerification(vectors, memory, settings, squares: squares, row: row)
    // Gradients in half precision are always measured as .portable says.
    let expected = try verification.results(
      of: WidenedStep(
        vectors, memory, kernel, EngineStep(memory, settings, algorithm: .portable, velocityType: storage.velocityType))
    )

    let engine = try EngineHalfStep(vectors, settings, threads: memory.threads, kernels: kernels)
    try verification.verify(engine, "momentum", bits: expected)
    let velocity = try memory.velocity()
    velocity.update(repeating: 0)
    let limit = try LimitHalfStep(vectors, settings, kernel, velocity: velocity, threads: memory.threads)
    try verification.verify(limit, "limit", near: expected)
    let wide = try EngineStep(memory, settings, kernels: kernels)
    let widened = WidenedStep(vectors, memory, kernel, wide)
    try verification.verify(widened, widenedName, near: expected)
    return BenchContest(
      engine: engine, limit: limit, plain: (widenedName, widened), wide: wide,
      bytes: storage.bytesMoved * memory.count)
  }

  private static var widenedName: String { "widened step" }
}
