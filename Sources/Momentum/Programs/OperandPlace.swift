/// The place of one operand: in a vector, at the tile's position; in scratch memory, always at the same address.
struct OperandPlace<Scalar: BLASScalar> {
  private var base: UnsafeMutablePointer<Scalar>?
  private var mask = 0

  init() {}

  @inline(__always)
  init(_ base: UnsafeMutablePointer<Scalar>?, isScratch: Bool) { (self.base, mask) = (base, isScratch ? 0 : -1) }

  @inline(__always)
  subscript(position: Int) -> UnsafeMutablePointer<Scalar> { base.unsafelyUnwrapped + (position & mask) }
}
