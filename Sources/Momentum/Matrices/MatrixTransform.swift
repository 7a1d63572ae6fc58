/// What a rule makes of the update of a whole tensor, between the operations on its tiles: see
/// ``StepOperation/transform``.
public struct MatrixTransform: Sendable, Hashable {
  /// How each matrix is orthogonalised.
  public var method: Orthogonalization
  /// How a tensor is read as matrices.
  public var view: MatrixView

  /// Orthogonalises the matrices of a tensor.
  public init(_ method: Orthogonalization, view: MatrixView = .firstAxis) {
    self.method = method
    self.view = view
  }
}
