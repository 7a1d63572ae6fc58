/// The reason why a call was refused. Every case says what was wrong, where, and what was expected. Whenever one is
/// thrown, nothing has been written.
public enum MomentumError: Error, Hashable, Sendable {
  /// A setting is out of its range, for example a negative learning rate.
  case invalidSetting(InvalidSetting)
  /// A vector, matrix or list has another size than the call needs.
  case countMismatch(what: String, count: Int, expected: Int)
  /// A vector, a sum of gradients or a state has other tensors than the optimizer.
  case layoutMismatch(LayoutMismatch)
  /// A stride is zero or negative where BLAS libraries disagree on its meaning.
  case invalidStride(what: String, stride: Int)
  /// Two buffers of one call share memory although at least one of them is written.
  case overlap(first: String, second: String)
  /// A tensor name occurs twice in a layout.
  case duplicateTensor(name: String)
  /// A tensor name is not in the layout.
  case unknownTensor(name: String)
  /// A shape has a negative extent or more elements than `Int` can count.
  case invalidShape(tensor: String, shape: [Int])
  /// A gradient holds a NaN or an infinity; `index` is the flat index of the first one in that tensor.
  case nonFiniteGradient(tensor: String, index: Int, value: Double)
  /// The update rule compiled a program that a step must not run; `operation` is the position of the first such
  /// operation.
  case invalidProgram(tensor: String, operation: Int, fault: ProgramFault)
  /// A velocity or an average that was to be taken on holds a number that is not finite, or stands for one: its scale
  /// times the element exceeds the type. `index` is the flat index of the first one in that tensor.
  case nonFiniteState(what: String, tensor: String, index: Int, value: Double)
  /// Memory of `bytes` bytes could not be allocated.
  case allocationFailed(bytes: Int)
  /// The BLAS that this process has loaded is none that the library can call; `library` is its file.
  case unsuitableBLAS(library: String, reason: String)
  /// A LAPACK routine reported a failure.
  case lapackFailure(routine: String, code: Int)
}

extension MomentumError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .invalidSetting(let refused):
      refused.description
    case .countMismatch(let what, let count, let expected):
      "\(what) has count \(count); expected \(expected)"
    case .layoutMismatch(let mismatch):
      mismatch.description
    case .invalidStride(let what, let stride):
      "stride of \(what) is \(stride); expected a positive stride"
    case .overlap(let first, let second):
      "\(first) and \(second) overlap in memory; expected separate buffers"
    case .duplicateTensor(let name):
      "tensor '\(name)' occurs twice; expected unique names"
    case .unknownTensor(let name):
      "no tensor named '\(name)' in the layout"
    case .invalidShape(let tensor, let shape):
      "tensor '\(tensor)' has shape \(shape); expected non-negative extents whose product fits in Int"
    case .nonFiniteGradient(let tensor, let index, let value):
      "gradient of tensor '\(tensor)' is \(value) at index \(index); expected finite values"
    case .invalidProgram(let tensor, let operation, let fault):
      switch fault {
      case .invalidScale, .tooLong: "the update rule's program of tensor '\(tensor)' \(fault)"
      default: "operation \(operation) of the update rule's program of tensor '\(tensor)' \(fault)"
      }
    case .nonFiniteState(let what, let tensor, let index, let value):
      "\(what) of tensor '\(tensor)' is \(value) at index \(index); expected finite values"
    case .allocationFailed(let bytes):
      "could not allocate \(bytes) bytes"
    case .unsuitableBLAS(let library, let reason):
      "the BLAS in \(library) \(reason)"
    case .lapackFailure(let routine, let code):
      "\(routine) failed with code \(code)"
    }
  }
}
