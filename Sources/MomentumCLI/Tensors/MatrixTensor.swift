import Momentum
import MomentumFiles
import MomentumLAPACK

/// A tensor of a file, read as matrices, for their singular values.
struct MatrixTensor {
  /// A matrix of a tensor, and what was found out about it.
  struct Found: Encodable {
    let tensor: String
    /// The number of the matrix in its tensor, if that has several.
    let matrix: Int?
    let rows: Int
    let columns: Int
    var spectralNorm: Double?
    /// The largest singular value is not below this.
    var lowerBound: Double?
    /// The largest singular value is not above this.
    var upperBound: Double?
    /// The first singular values, the largest first; `nil` if nobody has asked for them, or if an element is not finite.
    var singularValues: [Double]?

    var line: String {
      var line = "\(tensor)\(matrix.map { "[\($0)]" } ?? "")  \(rows) x \(columns)"
      if let spectralNorm, let lowerBound, let upperBound {
        line += "  spectral norm \(spectralNorm)  in \(lowerBound)...\(upperBound)"
      }
      if let singularValues {
        line += "  singular values \(singularValues.map { "\($0)" }.joined(separator: " "))"
      }
      return line
    }
  }

  private let name: String
  private let matrices: TensorMatrices
  private let elements: [Double]

  /// Reads a tensor; one of fewer than two axes is a single row.
  init(_ place: SafetensorsSet.Place, _ view: MatrixView) throws {
    let tensor = place.tensor
    name = tensor.name
    let shape = Array(repeating: 1, count: max(2 - tensor.shape.count, 0)) + tensor.shape
    matrices = try view.matrices(of: shape, tensor: name)
    let file = place.file
    switch tensor.dtype {
    case .f64: elements = Array(try file.unsafeBuffer(of: name, as: Double.self))
    case .bf16: elements = try file.unsafeBuffer(of: name, as: BFloat16.self).map { Double(Float($0)) }
    #if !(os(macOS) && arch(x86_64))
      case .f16: elements = try file.unsafeBuffer(of: name, as: Float16.self).map { Double($0) }
    #endif
    default: elements = try file.unsafeBuffer(of: name, as: Float.self).map { Double($0) }
    }
  }

  /// The spectral norms of the matrices, and their first singular values if those are asked for.
  func norms(threads: Int?, _ most: Int?) throws -> [Found] {
    try (0..<matrices.count).map { index in
      let norm = try elements.withUnsafeBufferPointer { elements in
        try Gradients.spectralNorm(of: matrix(index, in: elements), threads: threads)
      }
      var found = found(index)
      found.spectralNorm = norm.value
      found.lowerBound = norm.lower.double
      found.upperBound = norm.upper.double
      if let most { found.singularValues = try singularValues(index, most) }
      return found
    }
  }

  /// The first singular values of the matrices.
  func spectra(most: Int) throws -> [Found] {
    try (0..<matrices.count).map { index in
      var found = found(index)
      found.singularValues = try singularValues(index, most)
      return found
    }
  }

  private func found(_ index: Int) -> Found {
    let matrix = matrices[index]
    return Found(
      tensor: name, matrix: matrices.count == 1 ? nil : index, rows: matrix.rows, columns: matrix.columns)
  }

  private func singularValues(_ index: Int, _ most: Int) throws -> [Double]? {
    let matrix = matrices[index]
    var copy = elements.withUnsafeBufferPointer { elements in
      let start = matrix.rows * matrix.columns == 0 ? 0 : matrix.rowOffset(0)
      return Array(elements[start..<start + matrix.rows * matrix.columns])
    }
    guard copy.allSatisfy(\.isFinite) else { return nil }
    let values = try copy.withUnsafeMutableBufferPointer {
      try LAPACK.singularValues(
        of: BLAS.MutableMatrix($0.baseAddress, rows: matrix.rows, columns: matrix.columns))
    }
    return Array(values.prefix(most))
  }

  /// A matrix of the views that are offered, whose rows follow one another.
  private func matrix(_ index: Int, in elements: UnsafeBufferPointer<Double>) -> BLAS.Matrix<Double> {
    let matrix = matrices[index]
    let start = matrix.rows * matrix.columns == 0 ? 0 : matrix.rowOffset(0)
    return BLAS.Matrix(elements.baseAddress.map { $0 + start }, rows: matrix.rows, columns: matrix.columns)
  }
}
