// The memory of operands in half precision.
extension TensorTable {
  /// The address of a tensor that is not stored as `Scalar`s, as a table keeps it. It stands for the memory; nobody reads a
  /// `Scalar` there.
  @inline(__always)
  static func address<Element>(_ elements: UnsafePointer<Element>?) -> Pointer? {
    elements.map { UnsafeMutableRawPointer(mutating: $0).assumingMemoryBound(to: Scalar.self) }
  }

  /// The same of a tensor in a vector; of an empty vector one that nobody reads.
  @inline(__always)
  static func address(_ vector: TensorBuffer, at offset: Int) -> Pointer {
    guard let base = vector.base else { return emptyTensor }
    return (UnsafeMutableRawPointer(mutating: base) + offset * vector.elementType.byteCount)
      .assumingMemoryBound(to: Scalar.self)
  }

  /// Whether any operand is not stored as `Scalar`s.
  @inline(__always)
  var usesHalves: Bool { halves.isUsed || hasHalfDirection }

  /// The way in which a tensor's operands other than the direction are stored.
  @inline(__always)
  func halves(of index: Int) -> HalfOperands { halves.isMixed ? halfEntry(index).pointee.operands : halves }

  /// Sees to it that a tensor has the key of the random numbers that its parameters are rounded with.
  func setKey(of index: Int, for rounding: Rounding) {
    let entry = halfEntry(index)
    guard case .stochastic(let seed) = rounding, entry.pointee.seed != seed else { return }
    (entry.pointee.seed, entry.pointee.key) = (seed, Rounding.key(seed: seed, tensor: name(of: index)))
  }

  /// The address of an element of a gradient in half precision.
  @inline(__always)
  func gradientAddress(_ index: Int, _ type: ElementType, at start: Int) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(entry(index).pointee.gradient.unsafelyUnwrapped) + start * type.byteCount
  }

  /// `y ← gradient`, for n elements of a tensor whose gradient is stored in half precision.
  @inline(__always)
  func widenGradient(_ index: Int, _ type: ElementType, at start: Int, into y: Pointer, _ n: Int) {
    HalfLoops.widen(gradientAddress(index, type, at: start), type, into: Self.asFloats(y), n)
  }

  /// Measures n elements of a gradient.
  @inline(__always)
  func measureGradient(
    _ index: Int, at start: Int, _ n: Int, _ measure: TileMeasure, _ scratch: ThreadScratch<Scalar>
  ) -> TileSum {
    if let type = halves(of: index).gradient {
      return .measure(
        halves: gradientAddress(index, type, at: start), type, n, measure, wide: Self.asFloats(scratch.wideGradient))
    }
    return .measure(
      entry(index).pointee.gradient.unsafelyUnwrapped + start, n, measure, copy: scratch.gradientTile)
  }

  /// Stores n elements of a direction of ``BFloat16``s, from an index of its tensor on.
  ///
  /// A step rounds up or down, so that what steps add is right in the mean over them: rounded to nearest it would be lost, or
  /// doubled, again and again. All else is rounded to nearest.
  @inline(__always)
  func storeDirection(_ x: UnsafePointer<Float>, into y: UnsafeMutableRawPointer, _ n: Int, index: Int) {
    if let directionStep {
      HalfLoops.storeDitheredBFloat16(x, into: y, n, step: directionStep, index: index)
    } else {
      HalfLoops.narrow(x, into: y, .bfloat16, n)
    }
  }

  /// Only tables of `Float`s have operands in half precision.
  @inline(__always)
  static func asFloats(_ tile: Pointer) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer(tile).assumingMemoryBound(to: Float.self)
  }

  /// An element of a gradient.
  func gradientElement(_ index: Int, at position: Int) -> Scalar {
    guard let type = halves(of: index).gradient else {
      return entry(index).pointee.gradient.unsafelyUnwrapped[position]
    }
    return withUnsafeTemporaryAllocation(of: Scalar.self, capacity: 1) { element in
      let address = element.baseAddress.unsafelyUnwrapped
      widenGradient(index, type, at: position, into: address, 1)
      return address.pointee
    }
  }

  /// The gradient of a tensor if it is stored in half precision.
  func halfGradient(_ index: Int) -> HalfVector? {
    guard let type = halves(of: index).gradient, let base = entry(index).pointee.gradient else { return nil }
    return HalfVector(base: UnsafeRawPointer(base), type: type)
  }

  /// The parameters of a tensor if they are not stored as `Scalar`s.
  @inline(__always)
  func halfParameters(_ index: Int) -> HalfVector? {
    guard let storage = halves(of: index).parameters, let base = entry(index).pointee.parameters else { return nil }
    var vector = HalfVector(base: UnsafeRawPointer(base), type: .bfloat16)
    if case .split = storage { vector.remainders = halfEntry(index).pointee.second.map { UnsafeRawPointer($0) } }
    return vector
  }

  /// The address of what is known of a tensor's operands in half precision besides its entry.
  @inline(__always)
  func halfEntry(_ index: Int) -> UnsafeMutablePointer<HalfEntry> {
    halfEntries.unsafelyUnwrapped.baseAddress.unsafelyUnwrapped + index
  }

  // MARK: - Counts

  /// Sets the counts of all threads to 0, before passes that write elements of half precision.
  func clearHalfCounts(_ team: ThreadTeam) {
    clearLosses(team)
    let scratch = scratch(threads: team.mostCount)
    for thread in 0..<team.mostCount { ThreadScratch<Scalar>(scratch, thread: thread).tiled.pointee = 0 }
  }

  /// Sets the counts of what rounding has lost to 0.
  func clearLosses(_ team: ThreadTeam) {
    let scratch = scratch(threads: team.mostCount)
    for thread in 0..<team.mostCount {
      let own = ThreadScratch<Scalar>(scratch, thread: thread)
      (own.overflowed.pointee, own.lost.pointee) = (0, 0)
    }
  }

  /// Whether all programs on operands in half precision ran as loops since the counts were cleared.
  func ranLoopsOnly(_ team: ThreadTeam) -> Bool {
    let scratch = scratch(threads: team.mostCount)
    return (0..<team.mostCount).allSatisfy { ThreadScratch<Scalar>(scratch, thread: $0).tiled.pointee == 0 }
  }

  /// The number of written elements that were finite and exceeded their type, and of updates that rounding has undone.
  func halfCounts(_ team: ThreadTeam) -> (overflowed: Int, lost: Int) {
    let scratch = scratch(threads: team.mostCount)
    return (0..<team.mostCount).reduce(into: (0, 0)) { counts, thread in
      let own = ThreadScratch<Scalar>(scratch, thread: thread)
      counts.0 += own.overflowed.pointee
      counts.1 += own.lost.pointee
    }
  }
}
