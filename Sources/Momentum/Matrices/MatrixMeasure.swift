/// What is measured of a tile before it is scaled.
struct MatrixTileMeasure: BitwiseCopyable {
  /// The largest magnitude; NaN if an element is NaN.
  var largest = 0.0
  /// The sum of squares is `squares · 2^exponent`, where all elements are finite.
  var squares = 0.0
  var exponent = 0
}

/// What is measured of a matrix.
struct MatrixMeasure {
  /// The largest magnitude; NaN if an element is NaN.
  let largest: Double
  /// The Frobenius norm is `scaled · 2^exponent`, and the exponent is that of the largest magnitude; 0 if that is 0 or not
  /// finite.
  let scaled: Double
  let exponent: Int

  /// Whether there is something to compute.
  var isPositive: Bool { largest > 0 && largest < .infinity }
}
