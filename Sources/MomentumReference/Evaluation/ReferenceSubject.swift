public import Momentum

/// The norm under test: this library's, or a wrong one that must be rejected.
public protocol NormSubject: Sendable {
  /// The norm of `x`; `order` is `1`, `2`, `inf`, `0` or a decimal number.
  func norm<Scalar: ReferenceScalar>(_ x: [Scalar], order: String) throws -> Double

  /// The 2-norm of a buffer that may be too long to be copied, in a wider range than `Double`.
  func norm<Scalar: ReferenceScalar>(of x: UnsafeBufferPointer<Scalar>) throws -> ScaledDouble
}

extension NormSubject {
  public func norm<Scalar: ReferenceScalar>(of x: UnsafeBufferPointer<Scalar>) throws -> ScaledDouble {
    ScaledDouble(try norm(Array(x), order: "2"))
  }
}

/// The results of clipping.
public struct ClipOutcome<Scalar: ReferenceScalar> {
  public var tensors: [[Scalar]]
  public var totalNorm: Double
  public var comparedNorm: Double
  public var coefficient: Double
  public var valueClippedCount: Int
  public var nanCount: Int
  public var infinityCount: Int
}

/// The clipping under test.
public protocol ClipSubject: Sendable {
  func clip<Scalar: ReferenceScalar>(_ tensors: [[Scalar]], as clip: ClipCase) throws -> ClipOutcome<Scalar>
}

/// The state after one step.
public struct StepOutcome<Scalar: ReferenceScalar> {
  public var parameters: [Scalar]
  public var velocity: [Double]
}

/// The optimizer step under test.
public protocol StepSubject: Sendable {
  /// The state after each step of a sequence.
  func run<Scalar: ReferenceScalar>(
    _ update: UpdateCase, parameters: [Scalar], gradients: [[Scalar]]
  ) throws -> [StepOutcome<Scalar>]
}
