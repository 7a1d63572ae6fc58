/// Memory for one vector, allocated and set to zero when it is first needed.
struct LazyVector<Scalar: BLASScalar>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Scalar>?
  private var storage: ParameterVector<Scalar>?

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

  /// Replaces the elements, for which memory has been allocated; an empty list frees the memory.
  mutating func replace(by elements: [Scalar]) {
    if elements.isEmpty {
      base = nil
      storage = nil
    } else {
      base?.update(from: elements, count: elements.count)
    }
  }
}
