import Momentum

/// Those tensors of files that belong to tensors of a layout: under the same names behind a prefix.
struct TensorSelection {
  /// The path of the files, for errors.
  private let name: String
  private let find: (String) -> SafetensorsSet.Place?
  private let prefix: String
  /// Which tensors of the layout.
  private let isNeeded: [Bool]

  /// - Parameter find: The tensor of a name, in any of the files.
  init(
    _ name: String, _ prefix: String, _ isNeeded: [Bool], _ find: @escaping (String) -> SafetensorsSet.Place?
  ) {
    (self.name, self.prefix, self.isNeeded, self.find) = (name, prefix, isNeeded, find)
  }

  init(_ file: SafetensorsFile, _ prefix: String, _ isNeeded: [Bool]) {
    self.init(file.path, prefix, isNeeded) { name in
      file.tensor(named: name).map { SafetensorsSet.Place(file: file, tensor: $0) }
    }
  }

  /// The number of tensors that are needed.
  var count: Int { isNeeded.count { $0 } }

  /// The names in the file.
  func names(_ layout: ParameterLayout) -> Set<ExactText> {
    Set(zip(layout.tensors, isNeeded).filter(\.1).map { ExactText(prefix + $0.0.name) })
  }

  /// The elements of each tensor of the layout, `nil` if it is not needed. They point into the file.
  func buffers<Scalar: SafetensorsScalar>(
    _ layout: ParameterLayout, as: Scalar.Type
  ) throws -> [UnsafeBufferPointer<Scalar>?] {
    try zip(layout.tensors, isNeeded).map { own, isNeeded in
      guard isNeeded else { return nil }
      let place = try check(own, Scalar.dtype, alternative: nil)
      return try place.file.unsafeBuffer(of: place.tensor.name, as: Scalar.self)
    }
  }

  /// The same of velocities, which may be of `BF16` where parameters are `Float`s.
  func velocities<Scalar: BLASScalar & SafetensorsScalar>(
    _ layout: ParameterLayout, of: Scalar.Type
  ) throws -> [TensorBuffer?] {
    try zip(layout.tensors, isNeeded).map { own, isNeeded in
      guard isNeeded else { return nil }
      let place = try check(own, Scalar.dtype, alternative: Scalar.dtype == .f32 ? .bf16 : nil)
      let name = place.tensor.name
      if place.tensor.dtype == .bf16 { return TensorBuffer(try place.file.unsafeBuffer(of: name, as: BFloat16.self)) }
      return TensorBuffer(try place.file.unsafeBuffer(of: name, as: Scalar.self))
    }
  }

  /// Finds a tensor, which must have its shape and one of two types.
  private func check(
    _ own: ParameterLayout.Tensor, _ dtype: SafetensorsDtype, alternative: SafetensorsDtype?
  ) throws -> SafetensorsSet.Place {
    let name = prefix + own.name
    guard let place = find(name) else {
      throw OptimizerFileError(file: self.name, tensor: name, reason: .missingTensor)
    }
    func refusal(_ reason: OptimizerFileError.Reason) -> OptimizerFileError {
      OptimizerFileError(file: place.file.path, tensor: name, reason: reason)
    }
    let tensor = place.tensor
    guard tensor.dtype == dtype || tensor.dtype == alternative else {
      throw refusal(.dtypeMismatch(dtype: tensor.dtype, expected: dtype))
    }
    guard tensor.shape == own.shape else { throw refusal(.shapeMismatch(shape: tensor.shape, expected: own.shape)) }
    return place
  }
}
