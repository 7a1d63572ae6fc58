// What an optimizer does between steps: have its memory ready, and begin anew.
extension Optimizer {
  /// Allocates what steps will need, velocity, second moment and average among it, so that the first step takes no
  /// longer than the others; at 10⁸ parameters the pages of a velocity take half a second.
  ///
  /// A program that does not call this leaves it to the first step.
  ///
  /// - Throws: What the first step would throw about settings and memory.
  /// - Complexity: O(n) the first time: writes one element of each page.
  public mutating func prepare() throws(MomentumError) {
    let call = EngineCall.begin()
    defer { call.end() }
    try checkSettings()
    if mode == .onePass { try checkCorrections() }
    try bindState(threads: threads)
    _ = table.scratch(threads: team.mostCount)
  }

  /// Keeps the velocity in memory of the caller's: mapped, pinned or shared, for example.
  ///
  /// ```swift
  /// let memory = UnsafeMutableBufferPointer<Float>.allocate(capacity: layout.count)
  /// try optimizer.placeVelocity(in: memory) { $0.deallocate() }
  /// ```
  ///
  /// The memory holds u of the velocity `s·u`, in the order of the layout; after ``foldVelocity()`` that is the velocity
  /// itself. A velocity that there is moves in, otherwise zeros. From then on every step reads and writes it, and a state
  /// that is restored or loaded is copied into it. A vector of a step that overlaps it is refused
  /// (``MomentumError/overlap(first:second:)``).
  ///
  /// - Parameters:
  ///   - memory: As many elements as the layout has. Belongs to the optimizer until `release` is called; others may read
  ///     it between steps.
  ///   - release: Called once with the memory, when the optimizer ends or gets other memory.
  /// - Throws: ``MomentumError/countMismatch(what:count:expected:)``, ``MomentumError/invalidSetting(_:)`` for an address
  ///   that is not aligned to the element type and for a ``velocityType`` other than that of the memory,
  ///   ``MomentumError/overlap(first:second:)`` for memory that it lies in already. The velocity then stays where it is,
  ///   and `release` is not called.
  /// - Complexity: O(n); writes 2n elements, and reads n if there is a velocity.
  public mutating func placeVelocity(
    in memory: UnsafeMutableBufferPointer<Scalar>,
    release: @escaping @Sendable (UnsafeMutableBufferPointer<Scalar>) -> Void = { _ in }
  ) throws(MomentumError) {
    try place(UnsafeMutableRawBufferPointer(memory), of: Scalar.self, Scalar.elementType) {
      release($0.assumingMemoryBound(to: Scalar.self))
    }
  }

  /// Keeps a velocity of ``BFloat16`` in memory of the caller's; see
  /// ``placeVelocity(in:release:)-(UnsafeMutableBufferPointer<Scalar>,_)``.
  public mutating func placeVelocity(
    in memory: UnsafeMutableBufferPointer<BFloat16>,
    release: @escaping @Sendable (UnsafeMutableBufferPointer<BFloat16>) -> Void = { _ in }
  ) throws(MomentumError) where Scalar == Float {
    try place(UnsafeMutableRawBufferPointer(memory), of: BFloat16.self, .bfloat16) {
      release($0.assumingMemoryBound(to: BFloat16.self))
    }
  }

  private mutating func place<Element>(
    _ memory: UnsafeMutableRawBufferPointer, of _: Element.Type, _ type: ElementType,
    release: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Void
  ) throws(MomentumError) {
    guard type == velocityType else {
      throw .invalidSetting(
        name: "velocityType", value: velocityType.rawValue,
        expected: "\(type.rawValue) for a velocity in memory of that type")
    }
    let count = memory.count / MemoryLayout<Element>.stride
    guard count == layout.count else {
      throw .countMismatch(what: "memory of the velocity", count: count, expected: layout.count)
    }
    let (address, alignment) = (UInt(bitPattern: memory.baseAddress), MemoryLayout<Element>.alignment)
    guard address.isMultiple(of: UInt(alignment)) else {
      throw .invalidSetting(
        name: "address of the velocity", value: "0x" + String(address, radix: 16),
        expected: "a multiple of \(alignment), the alignment of \(Element.self)")
    }
    let own = UnsafeRawBufferPointer(start: direction.base, count: direction.base == nil ? 0 : memory.count)
    guard !MemoryRegion.overlap(own, UnsafeRawBufferPointer(memory)) else {
      throw .overlap(first: "velocity", second: "memory that is to hold it")
    }
    let placed = LazyVector<Scalar>(lent: memory, isHalf: direction.isHalf, release: release)
    placed.fill(from: direction, layout)
    direction = placed
    bound = nil
  }

  /// Forgets the velocity and the second moment of every tensor: the next step is a first step, as after training has
  /// been steered elsewhere. Step count, average, loss scale and adaptive limit stay.
  ///
  /// - Complexity: O(n); writes n elements, 2n with a second moment.
  public mutating func resetVelocity() {
    for index in states.velocities.indices { states.velocities[index] = VelocityState() }
    direction.clear(layout)
    secondMoment.clear(layout)
  }
}
