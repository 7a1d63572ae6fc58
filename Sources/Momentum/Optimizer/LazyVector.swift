/// Memory for one vector, allocated and set to zero when it is first needed, or lent by the caller.
struct LazyVector<Scalar: BLASScalar>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Scalar>?
  private var storage: ParameterVector<Scalar>?
  /// Memory that the caller has lent, and what is called when it is needed no longer.
  private var lent: (memory: UnsafeMutableBufferPointer<Scalar>, release: Release)?

  typealias Release = @Sendable (UnsafeMutableBufferPointer<Scalar>) -> Void

  /// No memory yet.
  init() {}

  /// Memory that the caller lends until `release` is called; zero from now on.
  init(lent memory: UnsafeMutableBufferPointer<Scalar>, release: @escaping Release) {
    memory.update(repeating: 0)
    base = memory.baseAddress ?? TensorTable<Scalar>.emptyTensor
    lent = (memory, release)
  }

  deinit {
    if let lent { lent.release(lent.memory) }
  }

  /// Whether the caller owns the memory.
  var isLent: Bool { lent != nil }

  /// The address of the vector, which is allocated if it does not exist yet.
  mutating func make(_ layout: ParameterLayout, threads: Int) throws(MomentumError) -> UnsafeMutablePointer<Scalar> {
    if let base { return base }
    let vector = try ParameterVector<Scalar>(layout, threads: threads)
    let base = vector.base
    storage = consume vector
    self.base = base
    return base
  }

  /// All elements, in the order of the layout; none if there is no memory yet.
  func elements(_ layout: ParameterLayout) -> UnsafeBufferPointer<Scalar> {
    UnsafeBufferPointer(start: base, count: base == nil ? 0 : layout.count)
  }

  /// Sets all elements to zero, if there are any.
  func clear(_ layout: ParameterLayout) { base?.update(repeating: 0, count: layout.count) }

  /// Copies the elements of another vector, if both have memory.
  func fill(from other: borrowing LazyVector, _ layout: ParameterLayout) {
    if let base, let source = other.base { base.update(from: source, count: layout.count) }
  }

  /// Replaces the elements, for which memory has been allocated; an empty list frees the memory, or clears what is lent.
  mutating func replace(by elements: [Scalar], _ layout: ParameterLayout) {
    if !elements.isEmpty {
      base?.update(from: elements, count: elements.count)
    } else if isLent {
      clear(layout)
    } else {
      base = nil
      storage = nil
    }
  }

  /// Takes the place of this vector by another; lent memory stays, and gets its elements.
  mutating func replace(by other: consuming LazyVector, _ layout: ParameterLayout) {
    guard isLent else {
      self = other
      return
    }
    if other.base == nil { clear(layout) } else { fill(from: other, layout) }
  }
}

// Lent memory must not be that of another operand: memory of its own cannot be.
extension LazyVector {
  /// Throws if a vector of a step lies in lent memory.
  func checkSeparate(
    _ other: UnsafeRawBufferPointer, _ name: String, _ layout: ParameterLayout
  ) throws(MomentumError) {
    guard isLent, MemoryRegion.overlap(UnsafeRawBufferPointer(elements(layout)), other) else { return }
    throw .overlap(first: "velocity", second: name)
  }

  /// The parts of the tensors in lent memory, for ``MemoryRegion/checkSeparate(_:name:)``; none if the memory is not lent.
  func lentRegions(_ layout: ParameterLayout) -> [MemoryRegion] {
    guard isLent, let base else { return [] }
    return layout.tensors.enumerated().map { index, tensor in
      MemoryRegion(
        UnsafeMutableBufferPointer(start: base + tensor.offset, count: tensor.count), tensor: index, "velocity")
    }
  }
}
