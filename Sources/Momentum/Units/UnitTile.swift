/// Prepares tiles of a source in scratch memory.
struct UnitTile<Scalar: BLASScalar> {
  let source: UnitSource<Scalar>
  private let scratch: UnsafeMutablePointer<Scalar>
  private let wide: UnsafeMutablePointer<Double>
  private let factor: Double

  static var scratchByteCount: Int { Tile.count * (2 * MemoryLayout<Scalar>.stride + MemoryLayout<Double>.stride) }

  init(_ source: UnitSource<Scalar>, _ memory: UnsafeMutableRawPointer) {
    self.source = source
    wide = memory.bindMemory(to: Double.self, capacity: Tile.count)
    scratch = (memory + Tile.count * MemoryLayout<Double>.stride).bindMemory(to: Scalar.self, capacity: 2 * Tile.count)
    factor = source.factor.double
  }

  /// The gradient, cleared, clamped and scaled as the source says.
  @inline(__always)
  func gradient(at start: Int, _ n: Int) -> UnsafePointer<Scalar> {
    var x = source.gradient + start
    if let half = source.half {
      half.widen(at: start, into: Self.asFloats(scratch), n)
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
    var parameters = source.parameters.unsafelyUnwrapped + start
    if let half = source.halfParameters {
      half.widen(at: start, into: Self.asFloats(scratch + Tile.count), n)
      parameters = UnsafePointer(scratch + Tile.count)
    }
    UnitLoops.combine(factor, gradient(at: start, n), source.decay, parameters, into: wide, n)
    return wide
  }

  /// The element that is measured, in a range that cannot overflow or underflow. The factor of a source that is no
  /// combination is left out.
  func element(_ index: Int, of gradient: Scalar) -> ScaledDouble {
    let own = ScaledDouble(Double(gradient))
    guard source.isCombination, let parameters = source.parameters else { return own }
    let parameter = source.halfParameters.map { Double($0[index]) } ?? Double(parameters[index])
    return (source.factor * own).adding(ScaledDouble(parameter) * source.decay)
  }

  /// Only `Float`s are stored otherwise.
  private static func asFloats(_ tile: UnsafeMutablePointer<Scalar>) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer(tile).assumingMemoryBound(to: Float.self)
  }
}
