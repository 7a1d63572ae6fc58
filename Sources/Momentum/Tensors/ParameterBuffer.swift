/// The parameters of one tensor in the caller's memory, for lists of tensors that are stored in any of the ways that steps
/// know.
///
/// ```swift
/// let parameters = [
///   ParameterBuffer(weights, copy: weightsInHalfPrecision),  // Floats, and a copy that the step writes
///   ParameterBuffer(bias, rounding: .stochastic(seed: 1)),  // BFloat16s
///   ParameterBuffer(scale),  // Floats
/// ]
/// let gradients = [TensorBuffer(weightGradients), TensorBuffer(biasGradients), nil]
/// try optimizer.step(parameters: parameters, gradients: gradients)
/// ```
///
/// The memory is borrowed. It must stay valid as long as the buffer is used.
public struct ParameterBuffer: @unchecked Sendable {  // addresses; the caller guards the access
  /// The way in which parameters are stored.
  enum Storage: Sendable {
    case floats
    /// As `Float`s, of which a copy of this type is written.
    case copied(ElementType)
    /// As numbers of 16 bits and remainders.
    case split
    /// As numbers of 16 bits alone.
    case bfloat16(Rounding)
  }

  let storage: Storage
  let base: UnsafeMutableRawPointer?
  /// The number of parameters.
  public let count: Int
  /// The copy or the remainders.
  let second: UnsafeMutableRawBufferPointer?

  /// Parameters that are stored as `Float`s.
  public init(_ parameters: UnsafeMutableBufferPointer<Float>) { self.init(.floats, parameters, nil) }

  /// A master of `Float`s with a copy that is written after each step, rounded to nearest, ties to even; see
  /// ``Optimizer/step(_:copy:gradients:)``.
  public init<Half: HalfScalar>(
    _ parameters: UnsafeMutableBufferPointer<Float>, copy: UnsafeMutableBufferPointer<Half>
  ) {
    self.init(.copied(Half.elementType), parameters, UnsafeMutableRawBufferPointer(copy))
  }

  /// Parameters that are stored in two parts; see ``SplitParameters``.
  public init(
    _ parameters: UnsafeMutableBufferPointer<BFloat16>, remainders: UnsafeMutableBufferPointer<Int16>
  ) {
    self.init(.split, parameters, UnsafeMutableRawBufferPointer(remainders))
  }

  /// Parameters without a master; see ``Optimizer/step(_:rounding:gradients:)``.
  public init(_ parameters: UnsafeMutableBufferPointer<BFloat16>, rounding: Rounding) {
    self.init(.bfloat16(rounding), parameters, nil)
  }

  private init<Element>(
    _ storage: Storage, _ parameters: UnsafeMutableBufferPointer<Element>, _ second: UnsafeMutableRawBufferPointer?
  ) {
    (self.storage, base, count) = (storage, UnsafeMutableRawPointer(parameters.baseAddress), parameters.count)
    self.second = second
  }
}

extension ParameterBuffer {
  /// The name of the second part in errors.
  var secondRole: StaticString { if case .split = storage { "remainders" } else { "copy" } }

  /// The number of bytes of a parameter, without the second part.
  var byteCount: Int {
    switch storage {
    case .floats, .copied: 4
    case .split, .bfloat16: 2
    }
  }

  /// The number of elements of the second part, of 16 bits each.
  var secondCount: Int? { second.map { $0.count / 2 } }
}
