import Momentum

/// A matrix of parameters and its gradient, in memory of this program: the optimizer works on it where it is.
final class Tensor {
  let name: String
  let rows: Int
  let columns: Int
  let values: UnsafeMutableBufferPointer<Float>
  let gradient: UnsafeMutableBufferPointer<Float>

  /// Makes a tensor of zeros.
  init(_ name: String, _ rows: Int, _ columns: Int = 1) {
    (self.name, self.rows, self.columns) = (name, rows, columns)
    values = .allocate(capacity: rows * columns)
    gradient = .allocate(capacity: rows * columns)
    values.initialize(repeating: 0)
    gradient.initialize(repeating: 0)
  }

  deinit {
    values.deallocate()
    gradient.deallocate()
  }

  var shape: [Int] { columns == 1 ? [rows] : [rows, columns] }
  var matrix: BLAS.MutableMatrix<Float> { BLAS.MutableMatrix(values.baseAddress, rows: rows, columns: columns) }
  var gradientMatrix: BLAS.MutableMatrix<Float> {
    BLAS.MutableMatrix(gradient.baseAddress, rows: rows, columns: columns)
  }
}
