import Momentum

/// The errors of both algorithms over all distributions and lengths.
public struct SweepReport: Codable, Sendable {
  public var rows: [SweepRow]
  /// Naive norms that the same comparison must reject.
  public var negativeControls: [SweepControl]
  /// The lengths for which memory had no room.
  public var leftOut: [String]

  /// Whether every error is within its bound and every naive norm was rejected.
  public var passed: Bool { rows.allSatisfy(\.passed) && negativeControls.allSatisfy(\.wasRejected) }

  /// Runs the sweep.
  ///
  /// - Parameters:
  ///   - largest: The greatest length, at least 1.
  ///   - scalars: The names of the scalars.
  ///   - progress: Called with the name of each distribution before it runs.
  /// - Throws: The errors of the library.
  /// - Complexity: O(largest); memory for `largest` elements.
  public init(
    largest: Int, scalars: [String] = [Float.referenceName, Double.referenceName],
    progress: (String) -> Void = { _ in }
  ) throws {
    (rows, negativeControls, leftOut) = ([], [], [])
    if scalars.contains(Float.referenceName) { try run(Float.self, largest, progress) }
    if scalars.contains(Double.referenceName) { try run(Double.self, largest, progress) }
  }

  private mutating func run<Scalar: ReferenceScalar>(
    _ type: Scalar.Type, _ largest: Int, _ progress: (String) -> Void
  ) throws {
    let room = MemoryBudget.room(for: largest, each: Scalar.byteCount)
    let lengths = SweepLengths.upTo(room)
    if room < largest {
      leftOut.append(
        "\(Scalar.referenceName): lengths over \(room); \(largest) take \(MemoryBudget.text(largest * Scalar.byteCount))"
      )
    }
    for distribution in SweepDistribution.allCases {
      progress("\(Scalar.referenceName), \(distribution.rawValue)")
      rows += try AccuracySweep<Scalar>(distribution: distribution, lengths: lengths).rows(of: [
        (.blas, MomentumSubject()), (.portable, MomentumSubject(algorithm: .portable)),
      ])
    }
    // A single Double accumulator leaves the bound only after a million random elements; on constant ones it does so at
    // once.
    let distributions: [SweepDistribution] = Scalar.precision == 24 ? [.uniform, .constant] : [.constant]
    for distribution in distributions {
      negativeControls.append(try SweepControl(FloatAccumulatorNorm(), distribution, type))
    }
  }
}

/// A naive norm under the comparison that it must not pass.
public struct SweepControl: Codable, Hashable, Sendable {
  public var name: String
  /// The row that rejected it: the one with the largest error relative to its bound.
  public var row: SweepRow
  public var wasRejected: Bool

  init<Scalar: ReferenceScalar>(
    _ subject: any NormSubject, _ distribution: SweepDistribution, _ type: Scalar.Type
  ) throws {
    // Long enough for the roundings of one accumulator to show, whatever the length of the sweep itself.
    let sweep = AccuracySweep<Scalar>(distribution: distribution, lengths: SweepLengths.upTo(100_033))
    let rows = try sweep.rows(of: [(.blas, subject)])
    name = "2-norm in one \(Scalar.referenceName) accumulator, \(distribution.rawValue)"
    row = rows.max { $0.errorUlps * $1.bound < $1.errorUlps * $0.bound }!
    wasRejected = rows.contains { !$0.passed }
  }
}
