/// A type as source writes it, as far as it matters to what a member of a value is: an optional is what it wraps, `[T]` is
/// `Array<T>`, and a function is what it returns.
struct TypeName: Hashable, Sendable {
  /// With dots between its components, for example `BLAS.Vector`.
  var name: String
  var arguments: [TypeName] = []

  /// Names of what has none.
  static let (tuple, function, unknown) = ("()", "->", "?")
}
