/// The factors of the gradient of every unit of one tensor, rounded to the element type.
///
/// It takes one number of the element type for each unit, and a second number only if a factor leaves the type's normal
/// range.
final class UnitFactors<Scalar: BLASScalar>: @unchecked Sendable {  // written between passes, by one thread
  let grid: UnitGrid
  private let memory: OwnedBuffer<Scalar>
  private var values: UnsafeMutablePointer<Scalar> { memory.base }
  /// The powers of two that elements are multiplied by first: one for each unit, or none if no factor needs one.
  private var prescales: [Int32] = []
  /// Whether every factor rounds to 1.
  private(set) var changesNothing = true

  /// - Throws: ``MomentumError/allocationFailed(bytes:)``.
  init(_ grid: UnitGrid) throws(MomentumError) {
    self.grid = grid
    memory = try OwnedBuffer(count: grid.unitCount)
    values.update(repeating: 1, count: grid.unitCount)
  }

  /// Makes every factor 1.
  func reset() {
    guard !changesNothing else { return }
    values.update(repeating: 1, count: grid.unitCount)
    prescales.removeAll(keepingCapacity: true)
    changesNothing = true
  }

  /// Sets the factor of a unit, rounded once; outside the type's normal range it is split into a power of two and a
  /// remainder.
  func set(_ unit: Int, to factor: ScaledDouble) {
    let rounded = RoundedFactor<Scalar>(factor)
    values[unit] = rounded.value
    if rounded.prescale != 0, prescales.isEmpty { prescales = Array(repeating: 0, count: grid.unitCount) }
    if !prescales.isEmpty { prescales[unit] = Int32(clamping: rounded.prescale) }
    if rounded.value != 1 || rounded.prescale != 0 { changesNothing = false }
  }

  /// Writes `y[i] = x[i] · factor(unit of element start + i)`. `x` and `y` may be the same.
  ///
  /// Each element's bits depend only on its own value and its factor.
  @inline(__always)
  func multiply(_ x: UnsafePointer<Scalar>, at start: Int, into y: UnsafeMutablePointer<Scalar>, _ n: Int) {
    guard prescales.isEmpty else { return multiplyWithCare(x, at: start, into: y, n) }
    let crossesUnits = grid.crossesUnits
    grid.forEachRun(in: start..<start + n) { first, n, unit in
      let offset = first - start
      if crossesUnits {
        UnitLoops.multiply(x + offset, by: values + unit, into: y + offset, n)
      } else {
        UnitLoops.multiply(x + offset, by: values[unit], into: y + offset, n)
      }
    }
  }

  @inline(never)
  private func multiplyWithCare(
    _ x: UnsafePointer<Scalar>, at start: Int, into y: UnsafeMutablePointer<Scalar>, _ n: Int
  ) {
    grid.forEachRun(in: start..<start + n) { first, n, unit in
      for i in 0..<n {
        let (place, element) = (grid.crossesUnits ? unit + i : unit, first - start + i)
        ElementLoops.scale(x + element, byPowerOfTwo: Int(prescales[place]), into: y + element, 1)
        y[element] *= values[place]
      }
    }
  }
}
