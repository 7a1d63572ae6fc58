/// The usual clip in place: finite gradients by the 2-norm of all tensors together.
///
/// It does without the table of tensors that other clips keep their tiles' sums in. Making one takes longer than clipping
/// ten thousand elements; a coefficient that all elements have in common does not need it. The bits and the report are
/// those of the other way.
struct WholeClip<Scalar: BLASScalar> {
  let tensors: [UnsafeMutableBufferPointer<Scalar>]
  let limit: Double
  let algorithm: NormAlgorithm
  let convention: Convention
  let threads: Int?

  /// The length of a call of scal, in which no library starts threads. A product is rounded once, wherever calls end.
  private static var callCount: Int { 1 << 13 }

  /// Measures and clips.
  ///
  /// - Returns: The report; `nil`, and nothing has been written, where there is more to do: for elements that are not
  ///   finite, and a coefficient that the element type cannot hold.
  func run() -> ClipReport? {
    guard let norm else { return nil }
    let (coefficient, report) = Gradients.coefficient(limit, norm, convention, Scalar.self)
    guard report.wasClipped else { return report }
    let factor = RoundedFactor<Scalar>(coefficient)
    guard factor.value.isNormal, factor.prescale == 0 else { return nil }
    multiply(by: factor.value)
    return report
  }

  /// The norm of all tensors together; `nil` if an element is not finite.
  private var norm: ScaledDouble? {
    // For Doubles, which a second-level cache holds, the multiplication that follows was found to lose more than this gains.
    if Scalar._hasExactSquares, tensors.count == 1, algorithm == .blas,
      let norm = NormPass.smallNorm(UnsafeBufferPointer(tensors[0]))
    {
      return ScaledDouble(norm)
    }
    return withUnsafeTemporaryAllocation(of: UnsafeBufferPointer<Scalar>.self, capacity: tensors.count) { buffers in
      for index in tensors.indices { buffers.initializeElement(at: index, to: UnsafeBufferPointer(tensors[index])) }
      var partial = NormPartial(unchecked: .l2)
      NormPass.measure(UnsafeBufferPointer(buffers), .l2, algorithm, threads, into: &partial)
      return partial.nanCount + partial.infinityCount == 0 ? partial.finiteNorm : nil
    }
  }

  private func multiply(by factor: Scalar) {
    let count = tensors.reduce(0) { $0 + $1.count }
    let team = ThreadTeam(threads ?? Machine.availableProcessors, elements: count)
    let loop = StepKernels.outsideSteps.prefersLoops ? FusedLoop<Scalar>.scaling : nil
    // For one thread without a copy of this value: to count its reference to the list takes as long as a thousand elements.
    if team.count == 1 { return multiply(0..<count, of: count, by: factor, loop) }
    team.run(Multiplication(clip: self, factor: factor, loop: loop, count: count, team: team))
  }

  private struct Multiplication: TeamWork, @unchecked Sendable {  // each thread writes its own elements
    let clip: WholeClip
    let factor: Scalar
    let loop: FusedLoop<Scalar>?
    let count: Int
    let team: ThreadTeam

    func run(thread: Int) { clip.multiply(team.share(of: thread, count: count), of: count, by: factor, loop) }
  }

  /// Multiplies a share of all elements, backwards: the norm has read the last one last, so it is in cache.
  ///
  /// - Parameter loop: `nil` for calls of scal.
  private func multiply(_ share: Range<Int>, of count: Int, by factor: Scalar, _ loop: FusedLoop<Scalar>?) {
    var end = count
    for tensor in tensors.reversed() {
      let start = end - tensor.count
      defer { end = start }
      guard let base = tensor.baseAddress else { continue }
      let (first, last) = (max(share.lowerBound, start) - start, min(share.upperBound, end) - start)
      guard first < last else { continue }
      if let loop {
        loop.scale(base + first, by: factor, last - first, .backwards)
      } else {
        PassOrder.backwards.forEachBlock(of: first..<last, Self.callCount) {
          Scalar._scal(Int32(truncatingIfNeeded: $0.count), factor, base + $0.lowerBound, 1)
        }
      }
    }
  }
}
