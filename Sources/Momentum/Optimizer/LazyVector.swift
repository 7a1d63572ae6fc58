/// Memory for one vector, allocated and set to zero when it is first needed, or lent by the caller. Its elements are `Scalar`s
/// or ``BFloat16``s for them.
struct LazyVector<Scalar: BLASScalar>: ~Copyable {
  typealias Pointer = UnsafeMutablePointer<Scalar>

  typealias Release = @Sendable (UnsafeMutableRawBufferPointer) -> Void

  /// Whether the elements are ``BFloat16``s; `Scalar` is `Float` then.
  let isHalf: Bool
  /// The address of the first element. It stands for the memory where the elements are not `Scalar`s.
  private(set) var base: Pointer?
  private var storage: ParameterVector<Scalar>?
  private var halfStorage: ParameterVector<BFloat16>?
  /// Memory that the caller has lent, and what is called when it is needed no longer.
  private var lent: (memory: UnsafeMutableRawBufferPointer, release: Release)?

  /// No memory yet.
  init(isHalf: Bool = false) { self.isHalf = isHalf }

  /// Memory that the caller lends until `release` is called; zero from now on.
  init(lent memory: UnsafeMutableRawBufferPointer, isHalf: Bool, release: @escaping Release) {
    memory.initializeMemory(as: UInt8.self, repeating: 0)
    self.isHalf = isHalf
    base = memory.baseAddress?.assumingMemoryBound(to: Scalar.self) ?? TensorTable<Scalar>.emptyTensor
    lent = (memory, release)
  }

  deinit {
    if let lent { lent.release(lent.memory) }
  }

  /// Whether the caller owns the memory.
  var isLent: Bool { lent != nil }

  /// The address of the vector, which is allocated if it does not exist yet.
  @discardableResult
  mutating func make(_ layout: ParameterLayout, threads: Int) throws(MomentumError) -> Pointer {
    if let base { return base }
    if isHalf {
      let vector = try ParameterVector<BFloat16>(layout, threads: threads)
      base = UnsafeMutableRawPointer(vector.base).assumingMemoryBound(to: Scalar.self)
      halfStorage = consume vector
    } else {
      let vector = try ParameterVector<Scalar>(layout, threads: threads)
      base = vector.base
      storage = consume vector
    }
    return base.unsafelyUnwrapped
  }

  /// The number of bytes of an element.
  var byteCount: Int { isHalf ? 2 : MemoryLayout<Scalar>.stride }

  /// The address of an element, for a table; see ``base``.
  @inline(__always)
  func address(at index: Int) -> Pointer? {
    base.map { (UnsafeMutableRawPointer($0) + index * byteCount).assumingMemoryBound(to: Scalar.self) }
  }

  /// Sets all elements to zero, if there are any.
  func clear(_ layout: ParameterLayout) {
    guard let base else { return }
    UnsafeMutableRawPointer(base).initializeMemory(as: UInt8.self, repeating: 0, count: layout.count * byteCount)
  }

  /// Takes the place of this vector by another of the same type; lent memory stays, and gets its elements.
  mutating func replace(by other: consuming LazyVector, _ layout: ParameterLayout) {
    guard isLent else {
      self = other
      return
    }
    if other.base == nil { clear(layout) } else { fill(from: other, layout) }
  }
}

// Elements as they are stored.
extension LazyVector {
  /// All elements, in the order of the layout; none if there is no memory yet, or if they are ``BFloat16``s.
  func elements(_ layout: ParameterLayout) -> UnsafeBufferPointer<Scalar> {
    UnsafeBufferPointer(start: isHalf ? nil : base, count: base == nil || isHalf ? 0 : layout.count)
  }

  /// The elements of a tensor, of whichever type; none if there is no memory yet.
  func buffer(of tensor: ParameterLayout.Tensor) -> TensorBuffer {
    TensorBuffer(
      base: address(at: tensor.offset).map { UnsafeRawPointer($0) }, count: base == nil ? 0 : tensor.count,
      elementType: isHalf ? .bfloat16 : Scalar.elementType)
  }

  /// Copies the elements of another vector of the same type, if both have memory.
  func fill(from other: borrowing LazyVector, _ layout: ParameterLayout) {
    guard let base, let source = other.base else { return }
    UnsafeMutableRawPointer(base).copyMemory(from: source, byteCount: layout.count * byteCount)
  }

  /// The elements of a tensor, widened if they are ``BFloat16``s; empty if there is no memory yet.
  func scalars(of tensor: ParameterLayout.Tensor) -> [Scalar] {
    // The initialiser writes the count even of an empty array, whose memory all threads share.
    guard tensor.count > 0, let source = address(at: tensor.offset) else { return [] }
    return Array(unsafeUninitializedCapacity: tensor.count) { elements, count in
      count = tensor.count
      guard let target = elements.baseAddress else { return }
      if isHalf {
        HalfLoops.widen(source, .bfloat16, into: TensorTable.asFloats(target), tensor.count)
      } else {
        target.initialize(from: source, count: tensor.count)
      }
    }
  }

  /// Writes elements, for which memory has been allocated, from an index on: as they are, widened, or rounded to nearest.
  func write(_ source: TensorBuffer, at index: Int) {
    guard let x = source.base, let y = address(at: index) else { return }
    switch (source.elementType, isHalf) {
    case (.bfloat16, false): HalfLoops.widen(x, .bfloat16, into: TensorTable.asFloats(y), source.count)
    case (.float32, true): HalfLoops.narrow(x.assumingMemoryBound(to: Float.self), into: y, .bfloat16, source.count)
    default: UnsafeMutableRawPointer(y).copyMemory(from: x, byteCount: source.count * byteCount)
    }
  }

  /// Replaces the elements, for which memory has been allocated; an empty list frees the memory, or clears what is lent.
  mutating func replace(by elements: [Scalar], _ layout: ParameterLayout) {
    if !elements.isEmpty {
      elements.withUnsafeBufferPointer { write(TensorBuffer($0), at: 0) }
    } else if isLent {
      clear(layout)
    } else {
      base = nil
      storage = nil
      halfStorage = nil
    }
  }
}

// Lent memory must not be that of another operand: memory of its own cannot be.
extension LazyVector {
  /// Throws if a vector of a step lies in lent memory.
  func checkSeparate(
    _ other: UnsafeRawBufferPointer, _ name: String
  ) throws(MomentumError) {
    guard let lent, MemoryRegion.overlap(UnsafeRawBufferPointer(lent.memory), other) else { return }
    throw .overlap(first: "velocity", second: name)
  }

  /// The parts of the tensors in lent memory, for ``MemoryRegion/checkSeparate(_:name:)``; none if the memory is not lent.
  func lentRegions(_ layout: ParameterLayout) -> [MemoryRegion] {
    guard isLent else { return [] }
    return layout.tensors.enumerated().map { index, tensor in
      MemoryRegion(address(at: tensor.offset), byteCount: tensor.count * byteCount, tensor: index, "velocity")
    }
  }
}
