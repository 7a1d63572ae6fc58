public import Momentum

/// Why a file of an optimizer's state or velocity could not be used: which file, which tensor in it, what is wrong.
public struct OptimizerFileError: Error, Hashable, Sendable {
  /// The path as the caller gave it.
  public var file: String
  /// The name that the file has, or should have, for the tensor in question; `nil` if it is about none.
  public var tensor: String?
  /// The reason.
  public var reason: Reason

  /// Names the file and what is wrong with it.
  public init(file: String, tensor: String? = nil, reason: Reason) {
    self.file = file
    self.tensor = tensor
    self.reason = reason
  }

  /// A reason why a file could not be used.
  public enum Reason: Hashable, Sendable {
    /// It cannot be read or written, or is no valid safetensors file.
    case safetensors(SafetensorsError.Reason)
    /// The metadata lack a key.
    case missingMetadata(key: String, expected: String)
    /// The metadata have another value than can be.
    case invalidMetadata(key: String, value: String, expected: String)
    /// The caller's metadata have a key that begins as those of this library.
    case reservedMetadata(key: String)
    /// The metadata have a key of this library that the format does not know.
    case unexpectedMetadata(key: String)
    /// Two files of one state have other metadata, of two steps for example.
    ///
    /// - value: What this file has; `nil` if it has no such key.
    /// - expected: What the other has.
    case metadataMismatch(key: String, value: String?, expected: String?, other: String)
    /// The file holds other parts of a state than were asked for.
    case missingParts(held: StateFile.Parts, expected: StateFile.Parts)
    /// The tensor is not there.
    case missingTensor
    /// The tensor should not be there: the optimizer has none of that name, or the metadata say nothing of it.
    case unexpectedTensor
    /// The tensor has another shape than in the optimizer's layout.
    case shapeMismatch(shape: [Int], expected: [Int])
    /// The tensor has another type than the optimizer.
    case dtypeMismatch(dtype: SafetensorsDtype, expected: SafetensorsDtype)
    /// No tensor has a name that begins so.
    case noTensors(prefix: String)
    /// The engine refused: no memory, for example, or a learning rate of 0 to convert a velocity at.
    case refused(MomentumError)
  }
}

extension OptimizerFileError: CustomStringConvertible {
  /// One line: the file, the tensor, the cause.
  public var description: String {
    if case .safetensors(let reason) = reason { return SafetensorsError(file: file, reason: reason).description }
    guard let tensor else { return "\(file): \(reason)" }
    return "\(file): tensor \(quoted(tensor))\(reason.isAboutMetadata ? ":" : "") \(reason)"
  }
}

extension OptimizerFileError.Reason: CustomStringConvertible {
  public var description: String {
    switch self {
    case .safetensors(let reason): reason.description
    case .missingMetadata(let key, let expected): "metadata \(quoted(key)) are missing; expected \(expected)"
    case .invalidMetadata(let key, let value, let expected):
      "metadata \(quoted(key)) are \(quoted(value)); expected \(expected)"
    case .unexpectedMetadata(let key): "metadata \(quoted(key)) are unknown; expected those of the format"
    case .reservedMetadata(let key):
      "metadata \(quoted(key)) would be taken for this library's; expected keys that do not begin with 'momentum.'"
    case .metadataMismatch(let key, let value, let expected, let other):
      "metadata \(quoted(key)) are \(value.map { quoted($0) } ?? "missing"); expected "
        + "\(expected.map { quoted($0) } ?? "none") as in \(other), since they are files of one state"
    case .missingParts(let held, let expected):
      "holds the \(Self.words(held)) of an optimizer only; expected the \(Self.words(expected))"
    case .missingTensor:
      "is missing; expected it as the optimizer and the metadata have it (StateFile.migrate adds tensors to a state)"
    case .unexpectedTensor: "is unknown; expected only what the optimizer and the metadata have"
    case .shapeMismatch(let shape, let expected): "has shape \(shape); expected \(expected)"
    case .dtypeMismatch(let dtype, let expected): "is of type \(dtype.rawValue); expected \(expected.rawValue)"
    case .noTensors(let prefix): "has no tensor whose name begins with \(quoted(prefix)); expected at least one"
    case .refused(let error): error.description
    }
  }

  /// Whether the description begins with the metadata, not with what is true of a tensor.
  fileprivate var isAboutMetadata: Bool {
    switch self {
    case .missingMetadata, .invalidMetadata, .unexpectedMetadata, .reservedMetadata, .metadataMismatch: true
    default: false
    }
  }

  private static func words(_ parts: StateFile.Parts) -> String { parts == .all ? "velocity and average" : "\(parts)" }
}

extension OptimizerFileError {
  /// Runs what can fail in one of the ways below, and names the file.
  static func naming<R: ~Copyable>(_ file: String, _ body: () throws -> R) throws(OptimizerFileError) -> R {
    do {
      return try body()
    } catch let error as OptimizerFileError {
      throw error
    } catch let error as SafetensorsError {
      throw OptimizerFileError(file: error.file, reason: .safetensors(error.reason))
    } catch let error as MomentumError {
      throw OptimizerFileError(file: file, reason: .refused(error))
    } catch {
      preconditionFailure("\(error) is none of the errors of files and of the engine")
    }
  }
}
