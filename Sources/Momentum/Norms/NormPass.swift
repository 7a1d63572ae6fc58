/// The reduce pass of a norm that is asked for on its own: leaves no sums of tiles or tensors behind.
enum NormPass {
  /// Measures the concatenation of some buffers.
  static func partial<Scalar: BLASScalar>(
    _ buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ type: NormType, _ algorithm: NormAlgorithm,
    _ threads: Int?, into partial: inout NormPartial
  ) {
    let measure: TileMeasure
    switch type {
    case .l2: measure = algorithm == .blas ? .squares : .portableSquares
    case .l1: measure = .magnitudes
    case .infinity: measure = .maximum
    case .p(0): measure = .nonZeros
    case .p(let p):
      // Elements are divided by the largest one first, so that no power overflows.
      var largest = NormPartial(unchecked: .infinity)
      run(buffers, .maximum, threads, into: &largest)
      let unit = largest.finiteNorm.double
      partial = NormPartial(unchecked: type, unit: unit > 0 ? unit : 1)
      return run(buffers, .powers(p: p, unit: unit > 0 ? unit : 1), threads, into: &partial)
    }
    run(buffers, measure, threads, into: &partial)
  }

  private static func run<Scalar: BLASScalar>(
    _ buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ measure: TileMeasure, _ threads: Int?,
    into partial: inout NormPartial
  ) {
    var count = 0
    for buffer in buffers { count += buffer.count }
    let team = ThreadTeam(threads ?? Machine.availableProcessors, elements: count)
    guard team.count > 1 else { return add(buffers, 0..<count, measure, into: &partial) }

    let shares = UnsafeMutableBufferPointer<NormPartial>.allocate(capacity: team.count)
    shares.initialize(repeating: partial)
    defer { shares.deallocate() }
    let work = UnsafeTransfer((buffers, shares, count))
    team.run { thread in
      let (buffers, shares, count) = work.value
      add(buffers, team.share(of: thread, count: count), measure, into: &shares[thread])
    }
    for share in shares { partial.merge(share) }
  }

  /// Adds the tiles that start in a range of the concatenation.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func add<Scalar: BLASScalar>(
    _ buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ share: Range<Int>, _ measure: TileMeasure,
    into partial: inout NormPartial
  ) {
    var offset = 0
    for buffer in buffers where !buffer.isEmpty {
      defer { offset += buffer.count }
      guard offset < share.upperBound else { return }
      let lower = max(share.lowerBound - offset, 0)
      let upper = min(share.upperBound - offset, buffer.count)
      guard lower < upper, let base = buffer.baseAddress else { continue }
      var start = (lower + tileCount - 1) / tileCount * tileCount
      while start < upper {
        partial.add(.measure(base + start, min(tileCount, buffer.count - start), measure))
        start += tileCount
      }
    }
  }
}
