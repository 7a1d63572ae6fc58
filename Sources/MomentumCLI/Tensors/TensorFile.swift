import Momentum
import MomentumFiles

/// A safetensors file whose tensors are all of one type that the engine computes with.
struct TensorFile {
  let file: SafetensorsFile
  /// The type of all tensors; `Float` if there are none.
  let dtype: SafetensorsDtype

  /// Opens a file of F32 or of F64 tensors.
  ///
  /// - Throws: ``SafetensorsError``, or ``DataFileError`` naming a tensor of another type.
  init(_ path: String, access: SafetensorsFile.Access = .readOnly) throws {
    file = try SafetensorsFile(path: path, access: access)
    dtype = file.tensors.first?.dtype ?? .f32
    for tensor in file.tensors where tensor.dtype != dtype || (dtype != .f32 && dtype != .f64) {
      var expected = dtype == .f32 || dtype == .f64 ? "\(dtype.rawValue) as of the first tensor" : "F32 or F64"
      if tensor.dtype == .c64 {
        expected +=
          "; as F32 with one more axis, of the two parts, a complex tensor has the same 2-norm and the same steps"
      }
      throw DataFileError(
        file: path, cause: "tensor '\(tensor.name)' is of type \(tensor.dtype.rawValue); expected \(expected)")
    }
  }

  var path: String { file.path }
  var tensors: [SafetensorsTensor] { file.tensors }

  /// The layout of the tensors, in the order of the file.
  func layout() throws -> ParameterLayout {
    try ParameterLayout(tensors.map { ($0.name, $0.shape) })
  }

  /// The tensors of another file in the order of this one, `nil` where it has none of that name.
  ///
  /// - Throws: ``DataFileError`` if the other has a tensor that is not here, or of another shape or type.
  func matching<Scalar: SafetensorsScalar>(
    _ other: TensorFile, as: Scalar.Type
  ) throws -> [UnsafeBufferPointer<Scalar>?] {
    for tensor in other.tensors {
      guard let own = file.tensor(named: tensor.name) else {
        throw DataFileError(file: other.path, cause: "tensor '\(tensor.name)' is not in \(path)")
      }
      guard tensor.shape == own.shape else {
        throw DataFileError(
          file: other.path,
          cause: "tensor '\(tensor.name)' has shape \(tensor.shape); expected \(own.shape) as in \(path)")
      }
      guard tensor.dtype == own.dtype else {
        throw DataFileError(
          file: other.path,
          cause:
            "tensor '\(tensor.name)' is of type \(tensor.dtype.rawValue); expected \(own.dtype.rawValue) as in \(path)")
      }
    }
    return try tensors.map { own in
      try other.file.tensor(named: own.name) == nil ? nil : other.file.unsafeBuffer(of: own.name, as: Scalar.self)
    }
  }

  /// Runs `body`, naming this file in the errors that its data causes, and the command line in those that settings
  /// cause.
  func naming<R>(_ body: () throws(MomentumError) -> R) throws -> R {
    do {
      return try body()
    } catch {
      throw usageError(for: error) ?? DataFileError(file: path, cause: error.description) as any Error
    }
  }
}
