/// Prepares tiles of a source in scratch memory.
struct UnitTile<Scalar: BLASScalar> {
  let source: UnitSource<Scalar>
  private let scratch: UnsafeMutablePointer<Scalar>
  private let wide: UnsafeMutablePointer<Double>
  private let factor: Double

  static var scratchByteCount: Int { Tile.count * (MemoryLayout<Scalar>.stride + MemoryLayout<Double>.stride) }

  init(_ source: UnitSource<Scalar>, _ memory: UnsafeMutableRawPointer) {
    self.source = source
    wide = memory.bindMemory(to: Double.self, capacity: Tile.count)
    scratch = (memory + Tile.count * MemoryLayout<Double>.stride).bindMemory(to: Scalar.self, capacity: Tile.count)
    factor = source.factor.double
  }

  /// The gradient, cleared, clamped and scaled as the source says.
  @inline(__always)
  func gradient(at start: Int, _ n: Int) -> UnsafePointer<Scalar> {
    var x = source.gradient + start
    if let type = source.halfType {
      let halves = UnsafeRawPointer(source.gradient) + start * type.byteCount
      HalfLoops.widen(halves, type, into: UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: Float.self), n)
      x = UnsafePointer(scratch)
    }
    if source.clearsNonFinite {
      Scalar._clearNonFinite(x, into: scratch, n)
      x = UnsafePointer(scratch)
    }
    if let bounds = source.bounds {
      Scalar._clamp(x, to: Scalar(bounds.lower), Scalar(bounds.upper), into: scratch, n)
      x = UnsafePointer(scratch)
    }
    if let factors = source.factors {
      factors.multiply(x, at: start, into: scratch, n)
      x = UnsafePointer(scratch)
    }
    return x
  }

  /// `factor · gradient + decay · parameters`.
  @inline(__always)
  func combination(at start: Int, _ n: Int) -> UnsafeMutablePointer<Double> {
    UnitLoops.combine(
      factor, gradient(at: start, n), source.decay, source.parameters.unsafelyUnwrapped + start, into: wide, n)
    return wide
  }

  /// The element that is measured, in a range that cannot overflow or underflow. The factor of a source that is no
  /// combination is left out.
  func element(_ index: Int, of gradient: Scalar) -> ScaledDouble {
    let own = ScaledDouble(Double(gradient))
    guard source.isCombination, let parameters = source.parameters else { return own }
    return (source.factor * own).adding(ScaledDouble(Double(parameters[index])) * source.decay)
  }
}
