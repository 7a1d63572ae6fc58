import Momentum
import MomentumFiles

/// A safetensors file of tensors of numbers: `F32` and `F64`, the types that the engine computes with, and `BF16` and `F16`,
/// which are widened. One file may hold several types; each tensor keeps its own.
struct TensorFile {
  let file: SafetensorsFile
  /// The tensors in the order of the file: all, or those of one type (``part(_:)``).
  let tensors: [SafetensorsTensor]

  /// Opens a file of tensors of numbers.
  ///
  /// - Parameter feature: What takes F32 and F64 tensors only, if that is what the file is for.
  /// - Throws: ``SafetensorsError``, or ``DataFileError`` naming a tensor of another type.
  init(_ path: String, access: SafetensorsFile.Access = .readOnly, withoutHalvesFor feature: String? = nil) throws {
    try StandardStream.refuseInput(path)
    file = try SafetensorsFile(path: path, access: access)
    tensors = file.tensors
    for tensor in tensors where !tensor.dtype.isNumber || (feature != nil && tensor.dtype.isHalf) {
      var expected = feature.map { "F32 or F64, which \($0)" } ?? "F32, F64, BF16 or F16"
      if tensor.dtype == .c64 {
        expected +=
          "; as F32 with one more axis, of the two parts, a complex tensor has the same 2-norm and the same steps"
      }
      throw DataFileError(
        file: path, cause: "tensor '\(tensor.name)' is of type \(tensor.dtype.rawValue); expected \(expected)")
    }
  }

  private init(_ whole: TensorFile, only dtype: SafetensorsDtype) {
    file = whole.file
    tensors = whole.tensors.filter { $0.dtype == dtype }
  }

  var path: String { file.path }

  /// The types that occur, in the order of their first tensors; `F32` if there are none.
  var dtypes: [SafetensorsDtype] {
    var found: [SafetensorsDtype] = []
    for tensor in tensors where !found.contains(tensor.dtype) { found.append(tensor.dtype) }
    return found.isEmpty ? [.f32] : found
  }

  /// The type of all tensors.
  ///
  /// - Throws: ``DataFileError`` naming the first tensor of another type than the first.
  func onlyType(with feature: String) throws -> SafetensorsDtype {
    let dtype = dtypes[0]
    guard let other = tensors.first(where: { $0.dtype != dtype }) else { return dtype }
    throw DataFileError(
      file: path,
      cause: "tensor '\(other.name)' is of type \(other.dtype.rawValue); expected \(dtype.rawValue) as of the first "
        + "tensor, since \(feature) takes tensors of one type")
  }

  /// The same file with the tensors of one type only.
  func part<Scalar: SafetensorsScalar>(_: Scalar.Type) -> TensorFile { TensorFile(self, only: Scalar.dtype) }

  /// The elements of the tensors, which must be of this type, for use as long as the file lives.
  func buffers<Scalar: SafetensorsScalar>(as type: Scalar.Type) throws -> [UnsafeBufferPointer<Scalar>] {
    try tensors.map { try file.unsafeBuffer(of: $0.name, as: type) }
  }

  /// The same, to be changed in memory; the file must have been opened copy-on-write.
  func mutableBuffers<Scalar: SafetensorsScalar>(as type: Scalar.Type) throws -> [UnsafeMutableBufferPointer<Scalar>] {
    try tensors.map { try file.unsafeMutableBuffer(of: $0.name, as: type) }
  }

  /// Adds the tensors, as they are in memory, to a file that is to be written while this one lives.
  func add(to writer: inout SafetensorsWriter) throws {
    for tensor in tensors {
      func add<Scalar: SafetensorsScalar>(as type: Scalar.Type) throws {
        try writer.add(tensor.name, shape: tensor.shape, values: file.unsafeBuffer(of: tensor.name, as: type))
      }
      switch tensor.dtype {
      case .f64: try add(as: Double.self)
      case .bf16: try add(as: BFloat16.self)
      #if !(os(macOS) && arch(x86_64))
        case .f16: try add(as: Float16.self)
      #endif
      default: try add(as: Float.self)
      }
    }
  }

  /// The tensors as lists of tensors of any types, for use as long as the file lives.
  func tensorBuffers() throws -> [TensorBuffer] {
    try tensors.map { tensor in
      switch tensor.dtype {
      case .f64: TensorBuffer(try file.unsafeBuffer(of: tensor.name, as: Double.self))
      case .bf16: TensorBuffer(try file.unsafeBuffer(of: tensor.name, as: BFloat16.self))
      #if !(os(macOS) && arch(x86_64))
        case .f16: TensorBuffer(try file.unsafeBuffer(of: tensor.name, as: Float16.self))
      #endif
      default: TensorBuffer(try file.unsafeBuffer(of: tensor.name, as: Float.self))
      }
    }
  }

  /// The layout of the tensors, in the order of the file.
  func layout() throws -> ParameterLayout {
    try ParameterLayout(tensors.map { ($0.name, $0.shape) })
  }

  /// Checks that the tensors of a file of gradients go with these parameters. Where these are the tensors of one type only,
  /// the file may hold those of the whole.
  ///
  /// - Throws: ``DataFileError`` if it has a tensor that is not here, or of another shape, or of a type that does not go
  ///   with that of the parameter.
  func check(_ other: TensorFile) throws {
    for tensor in other.tensors {
      guard let own = file.tensor(named: tensor.name) else {
        throw DataFileError(file: other.path, cause: "tensor '\(tensor.name)' is not in \(path)")
      }
      guard tensor.shape == own.shape else {
        throw DataFileError(
          file: other.path,
          cause: "tensor '\(tensor.name)' has shape \(tensor.shape); expected \(own.shape) as in \(path)")
      }
      guard tensor.dtype == own.dtype || (own.dtype == .f32 && tensor.dtype.isHalf) else {
        throw DataFileError(
          file: other.path,
          cause:
            "tensor '\(tensor.name)' is of type \(tensor.dtype.rawValue); expected \(own.dtype.rawValue) as in \(path)")
      }
    }
  }

  /// The tensors of another file in the order of this one, `nil` where it has none of that name.
  func buffers<Scalar: SafetensorsScalar>(
    in other: TensorFile, as: Scalar.Type
  ) throws -> [UnsafeBufferPointer<Scalar>?] {
    try tensors.map { own in
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
