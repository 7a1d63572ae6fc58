/// Memory for one vector that is made, all zeros, when it is first needed.
struct LazyVector<Scalar: BLASScalar>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Scalar>?
  private var storage: ParameterVector<Scalar>?

  /// The address, made if need be.
  mutating func make(_ layout: ParameterLayout, threads: Int) throws(MomentumError) -> UnsafeMutablePointer<Scalar> {
    if let base { return base }
    let vector = try ParameterVector<Scalar>(layout, threads: threads)
    let base = vector.base
    storage = consume vector
    self.base = base
    return base
  }

  /// Takes on other elements, for which memory has been made; none give the memory back.
  mutating func replace(by elements: [Scalar]) {
    if elements.isEmpty {
      base = nil
      storage = nil
    } else {
      base?.update(from: elements, count: elements.count)
    }
  }
}
