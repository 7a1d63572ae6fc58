/// The reduce pass of a norm on its own, which leaves no sums of tiles or tensors behind.
enum NormPass {
  /// The norm of one buffer.
  static func report<Scalar: BLASScalar>(
    of elements: UnsafeBufferPointer<Scalar>, _ type: NormType, _ algorithm: NormAlgorithm, _ threads: Int?
  ) throws(MomentumError) -> NormReport {
    try BLASTraits.checkCounts()
    let call = EngineCall.begin()
    defer { call.end() }
    return try measure(elements, type, algorithm, threads)
  }

  @inline(never)
  private static func measure<Scalar: BLASScalar>(
    _ elements: UnsafeBufferPointer<Scalar>, _ type: NormType, _ algorithm: NormAlgorithm, _ threads: Int?
  ) throws(MomentumError) -> NormReport {
    if type == .l2, algorithm == .blas, let norm = smallNorm(elements) { return NormReport(norm) }
    return try withUnsafePointer(to: elements) { elements throws(MomentumError) in
      try measure(UnsafeBufferPointer(start: elements, count: 1), type, algorithm, threads)
    }
  }

  /// The norm of the concatenation of some buffers.
  static func report<Scalar: BLASScalar>(
    of buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ type: NormType, _ algorithm: NormAlgorithm,
    _ threads: Int?
  ) throws(MomentumError) -> NormReport {
    try BLASTraits.checkCounts()
    let call = EngineCall.begin()
    defer { call.end() }
    return try measure(buffers, type, algorithm, threads)
  }

  @inline(never)
  private static func measure<Scalar: BLASScalar>(
    _ buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ type: NormType, _ algorithm: NormAlgorithm,
    _ threads: Int?
  ) throws(MomentumError) -> NormReport {
    try type.validate(forClipping: false)
    var partial = NormPartial(unchecked: type)
    measure(buffers, type, algorithm, threads, into: &partial)
    return NormReport(partial)
  }

  /// Measures the concatenation of some buffers.
  static func partial<Scalar: BLASScalar>(
    _ buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ type: NormType, _ algorithm: NormAlgorithm,
    _ threads: Int?, into partial: inout NormPartial
  ) {
    let call = EngineCall.begin()
    defer { call.end() }
    measure(buffers, type, algorithm, threads, into: &partial)
  }

  /// Measures the concatenation of some buffers in a call of the engine that has begun.
  @inline(never)
  static func measure<Scalar: BLASScalar>(
    _ buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ type: NormType, _ algorithm: NormAlgorithm,
    _ threads: Int?, into partial: inout NormPartial
  ) {
    guard case .p = type.form else { return run(buffers, TileMeasure(type, algorithm), threads, into: &partial) }
    // The tiles' sums of powers are added on the scale of the largest element.
    var largest = NormPartial(unchecked: .infinity)
    run(buffers, .maximum, threads, into: &largest)
    partial = NormPartial(unchecked: type, largest: largest.finiteNorm.double)
    run(buffers, TileMeasure(type, algorithm), threads, into: &partial)
  }

  private static func run<Scalar: BLASScalar>(
    _ buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>, _ measure: TileMeasure, _ threads: Int?,
    into partial: inout NormPartial
  ) {
    run(Buffers(buffers: buffers, measure: measure), threads, into: &partial)
  }

  /// Measures elements on the threads of a team.
  ///
  /// - Parameter tell: Is told how many more elements have been measured; see ``ToldWork``.
  static func run(
    _ source: some NormSource, _ threads: Int?, into partial: inout NormPartial, tell: ((Int) -> Void)? = nil
  ) {
    let count = source.count
    let team = ThreadTeam(threads ?? Machine.availableProcessors, elements: count)
    let empty = partial
    ToldWork.run(count, tell: tell) { run(source, $0, team, into: &partial, empty) }
  }

  private static func run(
    _ source: some NormSource, _ slice: Range<Int>, _ team: ThreadTeam, into partial: inout NormPartial,
    _ empty: NormPartial
  ) {
    guard team.count > 1 else { return source.add(slice, into: &partial) }

    let shares = UnsafeMutableBufferPointer<NormPartial>.allocate(capacity: team.count)
    shares.initialize(repeating: empty)
    defer {
      // Partials hold arrays.
      shares.deinitialize()
      shares.deallocate()
    }
    team.run(ShareWork(source: source, shares: shares, slice: slice, team: team))
    for share in shares { partial.merge(share) }
  }

  private struct ShareWork<Source: NormSource>: TeamWork, @unchecked Sendable {  // each thread writes its own partial
    let source: Source
    let shares: UnsafeMutableBufferPointer<NormPartial>
    let slice: Range<Int>
    let team: ThreadTeam

    func run(thread: Int) { source.add(team.share(of: thread, in: slice), into: &shares[thread]) }
  }

  /// Buffers of one element type.
  private struct Buffers<Scalar: BLASScalar>: NormSource {
    let buffers: UnsafeBufferPointer<UnsafeBufferPointer<Scalar>>
    let measure: TileMeasure

    var count: Int {
      var count = 0
      for buffer in buffers { count += buffer.count }
      return count
    }

    func add(_ share: Range<Int>, into partial: inout NormPartial) {
      NormPass.add(buffers, share, measure, into: &partial)
    }
  }

  /// Adds the tiles that start in a range of the concatenation.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  static func add<Scalar: BLASScalar>(
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
      var start = (lower + Tile.count - 1) / Tile.count * Tile.count
      if case .squares = measure {
        // The usual norm has a loop of its own: in cache, a tile's dot product takes no longer than a dozen
        // instructions.
        let (squares, end) = (
          TileSquares<Scalar>(prefersLoops: StepKernels.outsideSteps.prefersLoops), end(of: upper, buffer.count)
        )
        let fetchesNext = squares.fetchesNext(ofRun: upper - start)
        var (sums, plain) = (TileSquares<Scalar>.Sums(repeating: 0), PlainSum())
        while start < upper {
          for tile in 0..<squares.sum(base + start, end - start, fetchingNext: fetchesNext, into: &sums) {
            let sum = Double(sums[tile])
            if !TileSum.isTrusted(sums[tile]) {
              partial.add(TileSum.carefulSquares(base + start, min(Tile.count, end - start)))
            } else if !Scalar._hasExactSquares {
              partial.add(finiteSum: sum)
            } else if !plain.add(sum) {
              partial.add(finiteSum: plain.value)
              plain = PlainSum(sum)
            }
            start += Tile.count
          }
        }
        partial.add(finiteSum: plain.value)
      } else {
        while start < upper {
          partial.add(.measure(base + start, min(Tile.count, buffer.count - start), measure))
          start += Tile.count
        }
      }
    }
  }

  /// The end of the last tile that starts before a position.
  @inline(__always)
  private static func end(of position: Int, _ count: Int) -> Int {
    min(count, Tile.number(of: position) * Tile.count)
  }

  /// The 2-norm of a small buffer by the fast path, or `nil` if that path does not apply.
  ///
  /// The tiles are added as a ``PlainSum``, those of `Double`s as a ``RoundedSum``. In cache, where a whole norm takes an eighth
  /// of a microsecond, the fast path is noticeably faster.
  @inline(__always)
  static func smallNorm<Scalar: BLASScalar>(_ x: UnsafeBufferPointer<Scalar>) -> Double? {
    assert(ThreadTeam.leastShared <= RoundedSum.most * Tile.count)
    guard x.count < ThreadTeam.leastShared, let base = x.baseAddress else { return nil }
    let squares = TileSquares<Scalar>(prefersLoops: StepKernels.outsideSteps.prefersLoops)
    var (plain, rounded) = (PlainSum(), RoundedSum())
    var (start, sums) = (0, TileSquares<Scalar>.Sums(repeating: 0))
    while start < x.count {
      let tiles = squares.sum(base + start, x.count - start, into: &sums)
      for tile in 0..<tiles {
        guard TileSum.isTrusted(sums[tile]) else { return nil }
        let sum = Double(sums[tile])
        if Scalar._hasExactSquares { guard plain.add(sum) else { return nil } } else { rounded.add(sum) }
      }
      start += tiles * Tile.count
    }
    return Scalar._hasExactSquares ? plain.value.squareRoot() : rounded.value?.squareRoot()
  }
}

/// Elements whose norm is measured by several threads.
protocol NormSource {
  /// The number of elements.
  var count: Int { get }

  /// Adds the tiles that start in a range of the elements.
  func add(_ share: Range<Int>, into partial: inout NormPartial)
}
