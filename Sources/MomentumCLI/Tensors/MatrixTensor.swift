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
    /// What a limit of the spectral norm multiplies the matrix by; `nil` if there is none.
    var clipCoefficient: Double?
    /// The first singular values, the largest first; `nil` if nobody has asked for them, or if an element is not finite.
    var singularValues: [Double]?

    /// Matrices in the order in which they are told: by the names of their tensors, compared as UTF-8, and in a tensor by their
    /// numbers. So it does not depend on how a checkpoint is cut into files, nor on its types.
    static func inOrder(_ matrices: [Found]) -> [Found] {
      matrices.sorted { first, second in
        if first.tensor.utf8.elementsEqual(second.tensor.utf8) { return (first.matrix ?? 0) < (second.matrix ?? 0) }
        return first.tensor.utf8.lexicographicallyPrecedes(second.tensor.utf8)
      }
    }

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

  /// Reads a tensor of a file.
  init(_ place: SafetensorsSet.Place, _ view: MatrixView) throws {
    let tensor = place.tensor
    try self.init(tensor.name, tensor.shape, try place.file.tensorBuffer(of: tensor), view)
  }

  /// Copies a tensor; one of fewer than two axes is a single row.
  init(_ name: String, _ shape: [Int], _ buffer: TensorBuffer, _ view: MatrixView) throws {
    self.name = name
    matrices = try view.matrices(
      of: Array(repeating: 1, count: max(2 - shape.count, 0)) + shape, tensor: name)
    switch buffer.elementType {
    case .float64: elements = Array(buffer.bytes.bindMemory(to: Double.self))
    case .float32: elements = buffer.bytes.bindMemory(to: Float.self).map { Double($0) }
    case .bfloat16, .float16:
      var floats = [Float](repeating: 0, count: buffer.count)
      try floats.withUnsafeMutableBufferPointer { try buffer.widen(into: $0) }
      elements = floats.map { Double($0) }
    }
  }

  /// The spectral norms of the matrices.
  ///
  /// - Parameters:
  ///   - most: How many singular values to find, if any.
  ///   - limit: What the matrices are to be clipped to, if they are.
  func norms(threads: Int?, _ most: Int? = nil, limit: Double? = nil) throws -> [Found] {
    try (0..<matrices.count).map { index in
      let norm = try elements.withUnsafeBufferPointer { elements in
        try Gradients.spectralNorm(of: matrix(index, in: elements), threads: threads)
      }
      var found = found(index)
      found.spectralNorm = norm.value
      found.lowerBound = norm.lower.double
      found.upperBound = norm.upper.double
      found.clipCoefficient = limit.map { norm.coefficient(limit: $0) }
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
    var copy = Array(elements[range(of: index)])
    guard copy.allSatisfy(\.isFinite) else { return nil }
    let values = try copy.withUnsafeMutableBufferPointer {
      try LAPACK.singularValues(
        of: BLAS.MutableMatrix($0.baseAddress, rows: matrix.rows, columns: matrix.columns))
    }
    return Array(values.prefix(most))
  }

  private func matrix(_ index: Int, in elements: UnsafeBufferPointer<Double>) -> BLAS.Matrix<Double> {
    let matrix = matrices[index]
    let start = range(of: index).lowerBound
    return BLAS.Matrix(elements.baseAddress.map { $0 + start }, rows: matrix.rows, columns: matrix.columns)
  }

  /// Where the elements of a matrix are in the tensor. The rows of the views that are offered follow one another.
  func range(of index: Int) -> Range<Int> {
    let matrix = matrices[index]
    let count = matrix.rows * matrix.columns
    let start = count == 0 ? 0 : matrix.rowOffset(0)
    return start..<start + count
  }
}
