import Momentum

/// A wrong implementation that the comparison must reject; otherwise the comparison is blind.
public struct NegativeControl: Codable, Hashable, Sendable {
  public var name: String
  /// The row that rejected it, or that should have rejected it.
  public var row: ReferenceRow
  public var wasRejected: Bool
}

extension ReferenceFixtures {
  /// Runs the wrong implementations through the same comparison.
  ///
  /// - Throws: The errors of the comparison.
  public func negativeControls() throws -> [NegativeControl] {
    var long = self
    long.grid = []
    long.golden = []
    long.norms = norms.filter { $0.scalar == Float.referenceName && $0.input.count >= 10_000 }
    var clipped = self
    clipped.updates = updates.filter { $0.convention == "native" && $0.clipping.globalNorm != nil }
    return [
      control(
        "2-norm in one Float accumulator", "2-norm, random data",
        try long.evaluateNorms(of: FloatAccumulatorNorm(), portable: false)),
      control(
        "2-norm by one dot product over the whole vector", "2-norm, random data",
        try long.evaluateNorms(of: WholeVectorDot(), portable: false)),
      control(
        "clip coefficient applied twice", "clipped steps, parameters",
        try clipped.evaluateSteps(of: TwiceClipped())),
      control(
        "a digit of a peer's parameter changed", "pytorch itself, steps", try changedPeers().evaluate()),
      control("a digit of a peer's clipped gradient changed", "pytorch itself, clips", try changedPeers().evaluate()),
      control(
        "sums of tiles added in plain Double", "invariance: order of tensors", [try Invariance<Float>.controlRow()]),
    ]
  }

  /// The peers' values with the fourth digit of one parameter and of one clipped element changed.
  private func changedPeers() -> PeerFixtures {
    var changed = peers
    changed.steps = peers.steps.filter { $0.convention == "pytorch" }
    changed.clips = peers.clips.filter { $0.convention == "pytorch" }
    if let index = changed.clips.firstIndex(where: { $0.ours == nil && $0.expected.tensors?[0].isEmpty == false }) {
      changed.clips[index].expected.tensors![0][0].double *= 1 + 0x1p-8
    }
    changed.steps[0].expected.parameters[0][0].double *= 1 + 0x1p-8
    return changed
  }

  private func control(_ name: String, _ operation: String, _ rows: [ReferenceRow]) -> NegativeControl {
    let meant = rows.filter { $0.operation == operation }
    let row = meant.first { !$0.passed } ?? meant.first
    let none = Tally(operation, Float.referenceName, reason: "no such row").row
    return NegativeControl(name: name, row: row ?? none, wasRejected: !(row?.passed ?? true))
  }
}

/// Sums squares one after the other in the element type.
struct FloatAccumulatorNorm: NormSubject {
  func norm<Scalar: ReferenceScalar>(_ x: [Scalar], order: String) throws -> Double {
    guard order == "2" else { return try MomentumSubject().norm(x, order: order) }
    var sum: Scalar = 0
    for element in x { sum += element * element }
    return Double(sum.squareRoot())
  }
}

/// One BLAS dot product over everything: accurate for short vectors, not for long ones.
struct WholeVectorDot: NormSubject {
  func norm<Scalar: ReferenceScalar>(_ x: [Scalar], order: String) throws -> Double {
    guard order == "2" else { return try MomentumSubject().norm(x, order: order) }
    return Double(try BLAS.dot(x.span, x.span).squareRoot())
  }
}

/// Clips the gradient in memory, multiplies by the coefficient once more, then steps.
struct TwiceClipped: StepSubject {
  func run<Scalar: ReferenceScalar>(
    _ update: UpdateCase, parameters: [Scalar], gradients: [[Scalar]]
  ) throws -> [StepOutcome<Scalar>] {
    let subject = MomentumSubject()
    let clipping = try subject.clipping(update.clipping)
    let counts = update.shapes.map { $0.reduce(1, *) }
    let scaled = try gradients.map { gradient in
      var start = 0
      var tensors = counts.map { count in
        defer { start += count }
        return Array(gradient[start..<start + count])
      }
      let report = try withMutableBuffers(&tensors) { try Gradients.clip($0, by: clipping) }
      return tensors.flatMap { $0 }.map { $0 * Scalar(report.clipCoefficient) }
    }
    var unclipped = update
    unclipped.clipping = ReferenceClipping(normType: "2")
    return try subject.run(unclipped, parameters: parameters, gradients: scaled)
  }
}
