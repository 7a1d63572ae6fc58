import Dispatch
import Momentum

/// Measures the error of norms, over lengths from 1 on and over distributions: those of gradients, and those that are
/// hard for sums.
///
/// Each distribution and scalar has one vector, which grows from length to length. Its elements are drawn and squared
/// once, and the norm at every length is compared with the exact sum of the elements so far.
struct AccuracySweep<Scalar: ReferenceScalar> {
  let distribution: SweepDistribution
  let lengths: [Int]

  /// The errors of norms; each subject is held to the promises of the algorithm beside it.
  ///
  /// - Throws: ``Momentum/MomentumError/allocationFailed(bytes:)``, and the errors of the subjects.
  func rows(of subjects: [(algorithm: NormAlgorithm, subject: any NormSubject)]) throws -> [SweepRow] {
    var vector = try ParameterVector<Scalar>(ParameterLayout(count: lengths.last ?? 0))
    return try vector.withUnsafeMutableBufferPointer { buffer in
      var exact = ExactSquares<Scalar>()
      var rows: [SweepRow] = []
      var filled = 0
      for length in lengths {
        exact.add(fill(buffer, filled..<length))
        filled = length
        let elements = UnsafeMutableBufferPointer(rebasing: buffer[..<length])
        try withMiddle(of: elements, &exact) { total in
          for (algorithm, subject) in subjects {
            let norm = try subject.norm(of: UnsafeBufferPointer(elements))
            rows.append(.row(norm, of: total, distribution, algorithm, length: length, Scalar.self))
          }
        }
      }
      return rows
    }
  }

  /// Draws some elements and returns the sum of their squares.
  private func fill(_ buffer: UnsafeMutableBufferPointer<Scalar>, _ range: Range<Int>) -> ExactSquares<Scalar> {
    let recipe = distribution.recipe(Scalar.self)
    let seed = distribution.seed
    let partCount = range.count < 1 << 18 ? 1 : Machine.availableProcessors
    let parts = Parts(Array(repeating: ExactSquares<Scalar>(), count: partCount))
    // Parts are separate in memory, and each thread has its own.
    nonisolated(unsafe) let buffer = buffer
    DispatchQueue.concurrentPerform(iterations: partCount) { part in
      var sum = ExactSquares<Scalar>()
      var first = range.lowerBound + range.count * part / partCount
      let end = range.lowerBound + range.count * (part + 1) / partCount
      // In pieces short enough to be still in cache when they are squared.
      while first < end {
        let piece = UnsafeMutableBufferPointer(rebasing: buffer[first..<min(end, first + 8192)])
        recipe.fill(piece, first: first, seed: seed)
        sum.add(UnsafeBufferPointer(piece))
        first += piece.count
      }
      parts.sums[part] = sum
    }
    return parts.total
  }

  /// Calls `body` with the exact sum while the middle element has the value that the distribution requires.
  private func withMiddle(
    of elements: UnsafeMutableBufferPointer<Scalar>, _ exact: inout ExactSquares<Scalar>,
    _ body: (FixedPoint) throws -> Void
  ) throws {
    guard let middle = distribution.middle else { return try body(exact.total) }
    let index = elements.count / 2
    let drawn = elements[index]
    elements[index] = Scalar(middle)
    exact.replace(drawn, by: Scalar(middle))
    try body(exact.total)
    elements[index] = drawn
    exact.replace(Scalar(middle), by: drawn)
  }

  /// One sum for each thread.
  private final class Parts: @unchecked Sendable {  // each thread writes its own sum
    let sums: UnsafeMutableBufferPointer<ExactSquares<Scalar>>

    init(_ parts: [ExactSquares<Scalar>]) {
      sums = .allocate(capacity: parts.count)
      _ = sums.initialize(from: parts)
    }

    deinit {
      sums.deinitialize()
      sums.deallocate()
    }

    var total: ExactSquares<Scalar> {
      sums.dropFirst().reduce(into: sums[0]) { $0.add($1) }
    }
  }
}
