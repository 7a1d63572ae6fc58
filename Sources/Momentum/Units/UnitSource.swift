/// The vector whose unit norms are measured: `factor · f(gradient) + decay · parameters`, where f clears, clamps and
/// scales units as a step does.
struct UnitSource<Scalar: BLASScalar> {
  var gradient: UnsafePointer<Scalar>
  /// The gradient and the parameters where they are not stored as `Scalar`s.
  var half, halfParameters: HalfVector?
  /// Whether NaN and infinite elements count as 0.
  var clearsNonFinite = false
  /// The bounds of clipping by value, which comes after clearing.
  var bounds: ValueBounds?
  /// The factors of units, which are applied after that.
  var factors: UnitFactors<Scalar>?
  var factor = ScaledDouble(1)
  var parameters: UnsafePointer<Scalar>?
  /// The factor of the parameters; used only if there are any.
  var decay = 0.0

  init(_ gradient: UnsafePointer<Scalar>) { self.gradient = gradient }

  /// Whether the sum of two vectors is measured.
  var isCombination: Bool { parameters != nil && decay != 0 }
}
