/// A matrix in memory.
package struct MatrixPlace<Scalar: BLASScalar>: @unchecked Sendable {  // an address; whoever holds it guards the access
  /// The first element of the tensor.
  package let base: UnsafeMutablePointer<Scalar>
  package let layout: MatrixLayout
  /// What takes the result as it is computed, so that it is not written to the matrix and fetched from memory again; `nil` if it
  /// replaces the matrix. Only for layouts that are dense (``MatrixLayout/isDense``).
  let epilogue: BoundLoop<Scalar>?

  package init(_ base: UnsafeMutablePointer<Scalar>, _ layout: MatrixLayout) { self.init(base, layout, epilogue: nil) }

  init(_ base: UnsafeMutablePointer<Scalar>, _ layout: MatrixLayout, epilogue: BoundLoop<Scalar>?) {
    (self.base, self.layout, self.epilogue) = (base, layout, epilogue)
  }
}
