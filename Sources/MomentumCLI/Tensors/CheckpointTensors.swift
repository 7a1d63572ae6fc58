import Foundation
import Momentum
import MomentumFiles

/// The tensors of a checkpoint that a command works on: those of numbers, of one or more files, that are asked for. One
/// file may hold several types; each tensor keeps its own.
struct CheckpointTensors {
  /// A tensor of integers or truth values, which is passed by.
  struct Skipped: Encodable, Hashable {
    let name: String
    let type: String
  }

  let set: SafetensorsSet
  /// The tensors of numbers, file by file: all, or those of one shard, or of one type.
  let tensors: [SafetensorsSet.Place]
  /// The tensors of integers and truth values.
  let skipped: [Skipped]
  /// The paths, for errors.
  let name: String
  private let patterns: NamePatterns?

  /// Opens files, indices and folders.
  ///
  /// - Parameters:
  ///   - paths: At least one.
  ///   - patterns: Which tensors are asked for.
  ///   - needsAllPatterns: Whether each pattern must match a tensor.
  ///   - access: The access to the tensors in memory.
  ///   - feature: What takes F32 and F64 tensors only, if that is what they are for.
  /// - Throws: ``SafetensorsError``, or ``DataFileError`` naming a tensor whose type cannot be computed with by itself, or
  ///   a pattern that matches no tensor; also if there is no tensor at all.
  init(
    _ paths: [String], _ patterns: NamePatterns? = nil, needsAllPatterns: Bool = true,
    access: SafetensorsFile.Access = .readOnly, onlyWholeFor feature: String? = nil
  ) throws {
    for path in paths { try StandardStream.refuseInput(path) }
    name = paths.joined(separator: ", ")
    set = try SafetensorsSet(paths: paths, access: access)
    self.patterns = patterns
    let all = Array(set.tensors)
    guard !all.isEmpty else { throw DataFileError(file: name, cause: "has no tensor; expected at least one") }
    if needsAllPatterns, let pattern = patterns?.unused(among: all.map(\.tensor.name)) {
      throw DataFileError(file: name, cause: "has no tensor that the pattern '\(pattern)' matches")
    }
    let taken = all.filter { patterns?.takes($0.tensor.name) ?? true }
    for place in taken {
      let dtype = place.tensor.dtype
      guard let expected = (feature != nil ? dtype.expectedWhole(for: feature!) : dtype.expectedNumber) else {
        continue
      }
      throw DataFileError(
        file: place.file.path, cause: "tensor '\(place.tensor.name)' is of type \(dtype.rawValue); expected \(expected)"
      )
    }
    tensors = taken.filter { $0.tensor.dtype.isNumber }
    skipped = taken.filter { !$0.tensor.dtype.isNumber }.map {
      Skipped(name: $0.tensor.name, type: $0.tensor.dtype.rawValue)
    }
  }

  /// The names of all tensors of the files, also of those that are not asked for.
  var names: [String] { self.set.tensors.map(\.tensor.name) }

  private init(_ whole: CheckpointTensors, _ tensors: [SafetensorsSet.Place]) {
    (set, skipped, name, patterns) = (whole.set, whole.skipped, whole.name, whole.patterns)
    self.tensors = tensors
  }

  // MARK: Parts

  /// The same checkpoint with some of the tensors only.
  func only(_ isMeant: (SafetensorsSet.Place) -> Bool) -> CheckpointTensors {
    CheckpointTensors(self, tensors.filter(isMeant))
  }

  /// The same checkpoint with the tensors of one type only.
  func part<Scalar: SafetensorsScalar>(_: Scalar.Type) -> CheckpointTensors {
    only { $0.tensor.dtype == Scalar.dtype }
  }

  /// The tensors of each file, in the order of the set's files.
  func shards() -> [CheckpointTensors] {
    let tensors = Dictionary(grouping: tensors) { ObjectIdentifier($0.file) }
    return set.files.map { CheckpointTensors(self, tensors[ObjectIdentifier($0)] ?? []) }
  }

  /// The tensors of numbers of a file that are not asked for, in `Double` or in other types.
  func passed(ofFile number: Int, areDoubles: Bool) -> [(name: String, shape: [Int])] {
    guard let patterns else { return [] }
    return self.set.files[number].tensors.filter {
      $0.dtype.isNumber && ($0.dtype == .f64) == areDoubles && !patterns.takes($0.name)
    }.map { ($0.name, $0.shape) }
  }

  /// The same checkpoint in groups of neighbours that have at most so many elements together, or are one tensor.
  func groups(ofElements limit: Int) -> [CheckpointTensors] {
    var groups: [CheckpointTensors] = []
    var (begin, count) = (0, 0)
    for (index, place) in tensors.enumerated() {
      if index > begin, place.tensor.count > limit - count {
        groups.append(CheckpointTensors(self, Array(tensors[begin..<index])))
        (begin, count) = (index, 0)
      }
      count += place.tensor.count
    }
    return groups + [CheckpointTensors(self, Array(tensors[begin...]))]
  }

  /// The types that occur, in the order of their first tensors; `F32` if there are none.
  var dtypes: [SafetensorsDtype] {
    var found: [SafetensorsDtype] = []
    for place in tensors where !found.contains(place.tensor.dtype) { found.append(place.tensor.dtype) }
    return found.isEmpty ? [.f32] : found
  }

  /// The type of all tensors.
  ///
  /// - Throws: ``DataFileError`` naming the first tensor of another type than the first.
  func onlyType(with feature: String) throws -> SafetensorsDtype {
    let dtype = dtypes[0]
    guard let other = tensors.first(where: { $0.tensor.dtype != dtype }) else { return dtype }
    throw DataFileError(
      file: other.file.path,
      cause:
        "tensor '\(other.tensor.name)' is of type \(other.tensor.dtype.rawValue); expected \(dtype.rawValue) as of the "
        + "first tensor, since \(feature) takes tensors of one type")
  }

  // MARK: Elements

  /// The elements of the tensors, which must be of this type, for use as long as the files live.
  func buffers<Scalar: SafetensorsScalar>(as type: Scalar.Type) throws -> [UnsafeBufferPointer<Scalar>] {
    try tensors.map { try $0.file.unsafeBuffer(of: $0.tensor.name, as: type) }
  }

  /// The same, to be changed in memory; the files must have been opened copy-on-write.
  func mutableBuffers<Scalar: SafetensorsScalar>(as type: Scalar.Type) throws -> [UnsafeMutableBufferPointer<Scalar>] {
    try tensors.map { try $0.file.unsafeMutableBuffer(of: $0.tensor.name, as: type) }
  }

  /// The tensors as lists of tensors of any types, for use as long as the files live.
  func tensorBuffers() throws -> [TensorBuffer] { try tensors.map { try $0.file.tensorBuffer(of: $0.tensor) } }

  /// The layout of the tensors.
  func layout() throws -> ParameterLayout { try ParameterLayout(tensors.map { ($0.tensor.name, $0.tensor.shape) }) }

  // MARK: Other checkpoints with the same tensors

  /// The tensor of a name, of those that are asked for.
  func place(of name: String) -> SafetensorsSet.Place? {
    guard patterns?.takes(name) ?? true else { return nil }
    return set.place(of: name).flatMap { $0.tensor.dtype.isNumber ? $0 : nil }
  }

  /// Checks that the tensors of a checkpoint of gradients go with these parameters.
  ///
  /// - Throws: ``DataFileError`` if it has a tensor that is not here, or of another shape, or of a type that does not go
  ///   with that of the parameter.
  func check(_ gradients: CheckpointTensors) throws {
    for place in gradients.tensors {
      let tensor = place.tensor
      guard let own = self.place(of: tensor.name)?.tensor else {
        throw DataFileError(file: place.file.path, cause: "tensor '\(tensor.name)' is not in \(name)")
      }
      guard tensor.shape == own.shape else {
        throw DataFileError(
          file: place.file.path,
          cause: "tensor '\(tensor.name)' has shape \(tensor.shape); expected \(own.shape) as in \(name)")
      }
      guard tensor.dtype == own.dtype || (own.dtype != .f64 && tensor.dtype != .f64) else {
        throw DataFileError(
          file: place.file.path,
          cause:
            "tensor '\(tensor.name)' is of type \(tensor.dtype.rawValue); expected \(own.dtype.rawValue) as in \(name)")
      }
    }
  }

  /// The tensors of another checkpoint in the order of this one, `nil` where it has none of that name.
  func buffers<Scalar: SafetensorsScalar>(
    in other: CheckpointTensors, as: Scalar.Type
  ) throws -> [UnsafeBufferPointer<Scalar>?] {
    try tensors.map { own in
      try other.place(of: own.tensor.name).map { try $0.file.unsafeBuffer(of: $0.tensor.name, as: Scalar.self) }
    }
  }

  /// The elements of the tensors of the same names as others, in their order; `nil` where there is none.
  func tensorBuffers(of others: CheckpointTensors) throws -> [TensorBuffer?] {
    try others.tensors.map { other in
      try place(of: other.tensor.name).map { try $0.file.tensorBuffer(of: $0.tensor) }
    }
  }

  /// Has the system read ahead the tensors of the same names as others.
  func prefetch(of others: CheckpointTensors) { for place in places(of: others) { place.file.prefetch(place.tensor) } }

  /// Lets the pages of the tensors of the same names as others go, which have not been changed.
  func release(of others: CheckpointTensors) { for place in places(of: others) { place.file.release(place.tensor) } }

  private func places(of others: CheckpointTensors) -> [SafetensorsSet.Place] {
    others.tensors.compactMap { place(of: $0.tensor.name) }
  }

  // MARK: Messages

  /// A line about tensors that were passed by, of which there is one at least.
  static func note(_ skipped: [Skipped]) -> String {
    let names = skipped.prefix(4).map { "'\($0.name)' (\($0.type))" }.joined(separator: ", ")
    let rest = skipped.count > 4 ? " and \(skipped.count - 4) more" : ""
    return "without \(skipped.count) \(skipped.count == 1 ? "tensor" : "tensors") of integers: \(names)\(rest)"
  }

  /// Shows what is unusual about the files, on standard error.
  func warn() { Self.warn([self]) }

  /// Shows what is unusual about the files of several checkpoints, and of others, once where they have some in common.
  static func warn(_ checkpoints: [CheckpointTensors], _ others: [SafetensorsWarning] = []) {
    var known: Set<SafetensorsWarning> = []
    for warning in checkpoints.flatMap(\.set.warnings) + others where known.insert(warning).inserted {
      Message.write("Warning: \(warning)")
    }
  }

  /// Runs `body`, naming the files in the errors that their data cause, and the command line in those that settings cause.
  func naming<R>(_ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch let error as MomentumError {
      throw usageError(for: error, in: name) ?? DataFileError(file: name, cause: error.description) as any Error
    }
  }
}

extension SafetensorsFile {
  /// The elements of a tensor of numbers, for use as long as the file lives.
  func tensorBuffer(of tensor: SafetensorsTensor) throws -> TensorBuffer {
    switch tensor.dtype {
    case .f64: TensorBuffer(try unsafeBuffer(of: tensor.name, as: Double.self))
    case .bf16: TensorBuffer(try unsafeBuffer(of: tensor.name, as: BFloat16.self))
    #if !(os(macOS) && arch(x86_64))
      case .f16: TensorBuffer(try unsafeBuffer(of: tensor.name, as: Float16.self))
    #endif
    default: TensorBuffer(try unsafeBuffer(of: tensor.name, as: Float.self))
    }
  }
}
