import Momentum

/// Those tensors of a file that belong to tensors of a layout: under the same names behind a prefix.
struct TensorSelection {
  private let file: SafetensorsFile
  private let prefix: String
  /// Which tensors of the layout.
  private let isNeeded: [Bool]

  init(_ file: SafetensorsFile, _ prefix: String, _ isNeeded: [Bool]) {
    self.file = file
    self.prefix = prefix
    self.isNeeded = isNeeded
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
      try check(own, Scalar.dtype, alternative: nil)
      return try file.unsafeBuffer(of: prefix + own.name, as: Scalar.self)
    }
  }

  /// The same of velocities, which may be of `BF16` where parameters are `Float`s.
  func velocities<Scalar: BLASScalar & SafetensorsScalar>(
    _ layout: ParameterLayout, of: Scalar.Type
  ) throws -> [TensorBuffer?] {
    try zip(layout.tensors, isNeeded).map { own, isNeeded in
      guard isNeeded else { return nil }
      let dtype = try check(own, Scalar.dtype, alternative: Scalar.dtype == .f32 ? .bf16 : nil)
      let name = prefix + own.name
      if dtype == .bf16 { return TensorBuffer(try file.unsafeBuffer(of: name, as: BFloat16.self)) }
      return TensorBuffer(try file.unsafeBuffer(of: name, as: Scalar.self))
    }
  }

  /// Checks that the file has a tensor in its shape and in one of two types.
  ///
  /// - Returns: Its type.
  @discardableResult
  private func check(
    _ own: ParameterLayout.Tensor, _ dtype: SafetensorsDtype, alternative: SafetensorsDtype?
  ) throws -> SafetensorsDtype {
    let name = prefix + own.name
    func refusal(_ reason: OptimizerFileError.Reason) -> OptimizerFileError {
      OptimizerFileError(file: file.path, tensor: name, reason: reason)
    }
    guard let tensor = file.tensor(named: name) else { throw refusal(.missingTensor) }
    guard tensor.dtype == dtype || tensor.dtype == alternative else {
      throw refusal(.dtypeMismatch(dtype: tensor.dtype, expected: dtype))
    }
    guard tensor.shape == own.shape else { throw refusal(.shapeMismatch(shape: tensor.shape, expected: own.shape)) }
    return tensor.dtype
  }
}
