// Norms of tensors of any element types.
extension NormPass {
  /// The norm of the concatenation of some tensors.
  ///
  /// Each tile is measured in its own type, one of half precision after it was widened, and always in the portable way:
  /// its squares are exact in `Float`, and adding them in `Double` takes no longer than a dot product.
  static func report(
    ofTensors tensors: UnsafeBufferPointer<TensorBuffer>, _ type: NormType, _ algorithm: NormAlgorithm, _ threads: Int?,
    tell: ((Int) -> Void)? = nil
  ) throws(MomentumError) -> NormReport {
    try BLASTraits.checkCounts()
    try type.validate(forClipping: false)
    var partial = NormPartial(unchecked: type)
    measure(tensors: tensors, type, algorithm, threads, into: &partial, tell: tell)
    return NormReport(partial)
  }

  /// Measures the concatenation of some tensors.
  static func measure(
    tensors: UnsafeBufferPointer<TensorBuffer>, _ type: NormType, _ algorithm: NormAlgorithm, _ threads: Int?,
    into partial: inout NormPartial, tell: ((Int) -> Void)? = nil
  ) {
    let call = EngineCall.begin()
    defer { call.end() }
    measureInDefaultEnvironment(tensors, type, algorithm, threads, into: &partial, tell)
  }

  // Not inlined: the compiler may move arithmetic of this function, but not the call of one.
  @inline(never)
  private static func measureInDefaultEnvironment(
    _ tensors: UnsafeBufferPointer<TensorBuffer>, _ type: NormType, _ algorithm: NormAlgorithm, _ threads: Int?,
    into partial: inout NormPartial, _ tell: ((Int) -> Void)?
  ) {
    guard case .p = type.form else {
      return run(Tensors(tensors, type, algorithm), threads, into: &partial, tell: tell)
    }
    // The tiles' sums of powers are added on the scale of the largest element.
    var largest = NormPartial(unchecked: .infinity)
    run(Tensors(tensors, .infinity, algorithm), threads, into: &largest)
    partial = NormPartial(unchecked: type, largest: largest.finiteNorm.double)
    run(Tensors(tensors, type, algorithm), threads, into: &partial, tell: tell)
  }

  /// Tensors of any types, with what is summed over a tile of `Float`s or `Double`s, and over one of half precision.
  private struct Tensors: NormSource {
    let tensors: UnsafeBufferPointer<TensorBuffer>
    let plain, half: TileMeasure

    init(_ tensors: UnsafeBufferPointer<TensorBuffer>, _ type: NormType, _ algorithm: NormAlgorithm) {
      self.tensors = tensors
      plain = TileMeasure(type, algorithm)
      half = TileMeasure(type, .portable)
    }

    var count: Int { tensors.reduce(0) { $0 + $1.count } }

    func add(_ share: Range<Int>, into partial: inout NormPartial) {
      var offset = 0
      for tensor in tensors {
        let (lower, upper) = (max(share.lowerBound - offset, 0), min(share.upperBound - offset, tensor.count))
        offset += tensor.count
        guard lower < upper, let base = tensor.base else { continue }
        switch tensor.elementType {
        case .float32: NormPass.add(base, tensor.count, as: Float.self, lower..<upper, plain, into: &partial)
        case .float64: NormPass.add(base, tensor.count, as: Double.self, lower..<upper, plain, into: &partial)
        case .bfloat16, .float16:
          NormPass.addHalves(base, tensor.count, tensor.elementType, lower..<upper, half, into: &partial)
        }
      }
    }
  }

  private static func add<Scalar: BLASScalar>(
    _ base: UnsafeRawPointer, _ count: Int, as _: Scalar.Type, _ part: Range<Int>, _ measure: TileMeasure,
    into partial: inout NormPartial
  ) {
    let elements = UnsafeBufferPointer(start: base.assumingMemoryBound(to: Scalar.self), count: count)
    withUnsafePointer(to: elements) {
      add(UnsafeBufferPointer(start: $0, count: 1), part, measure, into: &partial)
    }
  }

  private static func addHalves(
    _ base: UnsafeRawPointer, _ count: Int, _ type: ElementType, _ part: Range<Int>, _ measure: TileMeasure,
    into partial: inout NormPartial
  ) {
    withUnsafeTemporaryAllocation(byteCount: Tile.count * MemoryLayout<Float>.stride, alignment: 64) { memory in
      let tile = memory.baseAddress.unsafelyUnwrapped.bindMemory(to: Float.self, capacity: Tile.count)
      var start = Tile.number(of: part.lowerBound) * Tile.count
      while start < part.upperBound {
        let n = min(Tile.count, count - start)
        partial.add(.measure(halves: base + start * type.byteCount, type, n, measure, wide: tile))
        start += Tile.count
      }
    }
  }
}
