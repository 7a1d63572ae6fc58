import Foundation
import Momentum
import MomentumFiles

/// The tensors of numbers in one or more files, of those that are asked for.
struct CheckpointTensors {
  /// A tensor of integers or truth values, of which there is no norm.
  struct Skipped: Encodable {
    let name: String
    let type: String
  }

  let set: SafetensorsSet
  /// The tensors of numbers, file by file.
  let tensors: [SafetensorsSet.Place]
  /// The tensors of integers and truth values.
  let skipped: [Skipped]
  private let paths: [String]

  /// Opens files, indices and folders.
  ///
  /// - Throws: ``SafetensorsError``, or ``DataFileError`` naming a tensor whose type has no norm by itself, or a pattern
  ///   that matches no tensor.
  init(_ paths: [String], _ patterns: NamePatterns) throws {
    for path in paths { try StandardStream.refuseInput(path) }
    self.paths = paths
    set = try SafetensorsSet(paths: paths)
    let all = Array(set.tensors)
    if let pattern = patterns.unused(among: all.map(\.tensor.name)) {
      throw DataFileError(
        file: paths.joined(separator: ", "), cause: "has no tensor that the pattern '\(pattern)' matches")
    }
    let taken = all.filter { patterns.takes($0.tensor.name) }
    for place in taken {
      guard let advice = place.tensor.dtype.adviceAgainstNorm else { continue }
      throw DataFileError(
        file: place.file.path,
        cause: "tensor '\(place.tensor.name)' is of type \(place.tensor.dtype.rawValue); expected \(advice)")
    }
    tensors = taken.filter { $0.tensor.dtype.isNumber }
    skipped = taken.filter { !$0.tensor.dtype.isNumber }.map {
      Skipped(name: $0.tensor.name, type: $0.tensor.dtype.rawValue)
    }
  }

  /// The tensors as lists of tensors of any types, for use as long as the files live.
  func buffers() throws -> [TensorBuffer] { try tensors.map { try $0.file.tensorBuffer(of: $0.tensor) } }

  /// Runs `body`, naming the files in the errors that their data cause, and the command line in those that settings cause.
  func naming<R>(_ body: () throws(MomentumError) -> R) throws -> R {
    do {
      return try body()
    } catch {
      throw usageError(for: error)
        ?? DataFileError(file: paths.joined(separator: ", "), cause: error.description) as any Error
    }
  }
}

extension SafetensorsDtype {
  /// What a tensor of this type had better be; `nil` if it has a norm, or is passed by without harm.
  fileprivate var adviceAgainstNorm: String? {
    switch self {
    case .f4, .f6E2M3, .f6E3M2, .f8E5M2, .f8E4M3, .f8E8M0:
      "F32, F64, BF16 or F16: its elements are factors of scales in other tensors; --skip passes it by"
    case .c64:
      "F32, F64, BF16 or F16; as F32 with one more axis, of the two parts, a complex tensor has the same 2-norm and the "
        + "same steps"
    default: isNumber || isInteger ? nil : "F32, F64 or BF16 on this system; --skip passes it by"
    }
  }

  /// Whether elements are integers or truth values.
  private var isInteger: Bool {
    switch self {
    case .bool, .u8, .i8, .i16, .u16, .i32, .u32, .i64, .u64: true
    default: false
    }
  }
}
