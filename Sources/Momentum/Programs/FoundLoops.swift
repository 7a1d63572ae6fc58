/// The loops of the program that was looked for last. From step to step a program changes its factors only, so they are seldom
/// looked for.
struct FoundLoops<Scalar: BLASScalar> {
  private var signature = ProgramSignature()
  /// What was known of BLAS then: whether there are loops depends on it.
  private var traits = BLASTraits.fingerprint
  private var plain: FusedLoop<Scalar>?
  private var speculative: SpeculativeLoop<Scalar>?
  private var clamping: ClampingLoop<Scalar>?
  /// The loop on vectors in half precision that was looked for last, with its program and their storage.
  private var half: (loop: FusedHalfLoop?, signature: ProgramSignature, storage: FusedHalfLoop.Storage)?

  /// The loops of a program, with its factors; `nil` if it has none.
  @inline(__always)
  mutating func find(_ signature: ProgramSignature, _ factors: UnsafeMutablePointer<Scalar>) -> ProgramLoop<Scalar>? {
    if signature != self.signature || BLASTraits.fingerprint != traits { look(for: signature) }
    guard let plain else { return nil }
    return ProgramLoop(plain, speculative: speculative, clamping: clamping, factors)
  }

  /// The loop of a program on vectors in half precision; `nil` if there is none.
  @inline(__always)
  mutating func find(_ signature: ProgramSignature, _ storage: FusedHalfLoop.Storage) -> FusedHalfLoop? {
    if let half, half.signature == signature, half.storage == storage, BLASTraits.fingerprint == traits {
      return half.loop
    }
    if BLASTraits.fingerprint != traits { look(for: signature) }
    let loop = FusedHalfLoop(signature, storage)
    half = (loop, signature, storage)
    return loop
  }

  @inline(never)
  private mutating func look(for signature: ProgramSignature) {
    (self.signature, traits, half) = (signature, BLASTraits.fingerprint, nil)
    plain = FusedLoop(signature)
    (speculative, clamping) = (SpeculativeLoop(signature), ClampingLoop(signature))
  }
}
