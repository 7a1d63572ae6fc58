public import Momentum

/// A whole run in one file: parameters, the optimizer's state with velocity and averages, and whatever else the program
/// needs to go on.
///
/// ```swift
/// try Checkpoint.save(optimizer, parameters: parameters, metadata: ["epoch": "3"], to: "run.safetensors")
/// // later, in an optimizer with the same settings and the same tensors:
/// let metadata = try Checkpoint.load("run.safetensors", into: &optimizer, parameters: &parameters)
/// let epoch = metadata["epoch"]  // "3"
/// ```
///
/// It is one file because that is replaced by one call of the system: whenever the process is killed, there is the old
/// checkpoint or the new one, each whole and each of one step. Of several files some could be new and others old.
///
/// The file is a ``StateFile`` of both parts, which `StateFile.load` reads as well, with a tensor `parameters/NAME` for
/// each tensor of the layout, `momentum.checkpoint` with the value `1` in its metadata, and the caller's own entries,
/// whose keys must not begin with `momentum.`. A run that is resumed goes on bit for bit. Parameters may be of any value,
/// NaN included; a velocity or an average that is not finite is saved, and refused when it is loaded.
public enum Checkpoint {
  /// Before the names of the parameters.
  static let prefix = "parameters/"

  /// Writes a checkpoint, whole or not at all, from the memory of the optimizer and the parameters.
  ///
  /// - Parameters:
  ///   - optimizer: What remembers; it stays as it is.
  ///   - parameters: Of the optimizer's layout.
  ///   - metadata: The caller's own texts.
  ///   - path: Where the file goes.
  /// - Throws: ``OptimizerFileError``; the file is then as it was.
  /// - Complexity: O(n); no copy of a vector.
  public static func save<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: borrowing Optimizer<Scalar>, parameters: borrowing ParameterVector<Scalar>,
    metadata: SafetensorsMetadata = [:], to path: String
  ) throws(OptimizerFileError) {
    let layout = optimizer.layout
    let parameterLayout = parameters.layout
    try OptimizerFileError.naming(path) { try layout.check("parameters", ofVector: parameterLayout) }
    try parameters.withUnsafeBufferPointer { parameters throws(OptimizerFileError) in
      try save(optimizer, parts(of: UnsafeMutableBufferPointer(mutating: parameters), layout), metadata, path)
    }
  }

  /// Writes a checkpoint of parameters in the caller's memory, one flat vector; see
  /// ``save(_:parameters:metadata:to:)-(_,ParameterVector<Scalar>,_,_)``.
  public static func save<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: borrowing Optimizer<Scalar>, parameters: UnsafeMutableBufferPointer<Scalar>,
    metadata: SafetensorsMetadata = [:], to path: String
  ) throws(OptimizerFileError) {
    try check(parameters.count, optimizer.layout, path)
    try save(optimizer, parts(of: parameters, optimizer.layout), metadata, path)
  }

  /// Writes a checkpoint of parameters in the caller's memory, one buffer for each tensor; see
  /// ``save(_:parameters:metadata:to:)-(_,ParameterVector<Scalar>,_,_)``.
  public static func save<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: borrowing Optimizer<Scalar>, parameters: [UnsafeMutableBufferPointer<Scalar>],
    metadata: SafetensorsMetadata = [:], to path: String
  ) throws(OptimizerFileError) {
    try check(parameters.map(\.count), optimizer.layout, path)
    try save(optimizer, parameters, metadata, path)
  }

  /// Replaces the state of an optimizer and its parameters by those of a checkpoint.
  ///
  /// - Parameters:
  ///   - path: The file, of the same tensors; see ``StateFile/load(_:into:parts:)``.
  ///   - optimizer: What is to remember the state.
  ///   - parameters: Of the optimizer's layout.
  /// - Returns: The caller's own metadata.
  /// - Throws: ``OptimizerFileError``; optimizer and parameters are then unchanged.
  /// - Complexity: O(n).
  @discardableResult
  public static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parameters: inout ParameterVector<Scalar>
  ) throws(OptimizerFileError) -> SafetensorsMetadata {
    let layout = optimizer.layout
    let parameterLayout = parameters.layout
    try OptimizerFileError.naming(path) { try layout.check("parameters", ofVector: parameterLayout) }
    return try parameters.withUnsafeMutableBufferPointer { parameters throws(OptimizerFileError) in
      try load(path, &optimizer, parts(of: parameters, layout))
    }
  }

  /// Loads parameters into the caller's memory, one flat vector; see
  /// ``load(_:into:parameters:)-(_,_,ParameterVector<Scalar>)``.
  @discardableResult
  public static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parameters: UnsafeMutableBufferPointer<Scalar>
  ) throws(OptimizerFileError) -> SafetensorsMetadata {
    try check(parameters.count, optimizer.layout, path)
    return try load(path, &optimizer, parts(of: parameters, optimizer.layout))
  }

  /// Loads parameters into the caller's memory, one buffer for each tensor; see
  /// ``load(_:into:parameters:)-(_,_,ParameterVector<Scalar>)``.
  @discardableResult
  public static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parameters: [UnsafeMutableBufferPointer<Scalar>]
  ) throws(OptimizerFileError) -> SafetensorsMetadata {
    try check(parameters.map(\.count), optimizer.layout, path)
    return try load(path, &optimizer, parameters)
  }
}

extension Checkpoint {
  private static func save<Scalar: BLASScalar & SafetensorsScalar>(
    _ optimizer: borrowing Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>],
    _ metadata: SafetensorsMetadata, _ path: String
  ) throws(OptimizerFileError) {
    try OptimizerFileError.naming(path) { try writer(path, of: optimizer, parameters, metadata).write() }
  }

  /// A file that is yet to be written: before the optimizer's next step, and while it and the parameters live.
  package static func writer<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of optimizer: borrowing Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>],
    _ metadata: SafetensorsMetadata
  ) throws -> SafetensorsWriter {
    if let key = metadata.keys.first(where: { $0.utf8.starts(with: StateMetadata.prefix.utf8) }) {
      throw OptimizerFileError(file: path, reason: .reservedMetadata(key: key))
    }
    var writer = try StateFile.writer(path, of: optimizer)
    writer.metadata[StateMetadata.checkpointKey] = StateMetadata.checkpoint
    for (key, value) in metadata { writer.metadata[key] = value }
    for (tensor, values) in zip(optimizer.layout.tensors, parameters) {
      try writer.add(prefix + tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(values))
    }
    return writer
  }

  private static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, _ optimizer: inout Optimizer<Scalar>, _ parameters: [UnsafeMutableBufferPointer<Scalar>]
  ) throws(OptimizerFileError) -> SafetensorsMetadata {
    try OptimizerFileError.naming(path) {
      let file = try SafetensorsFile(path: path)
      guard try StateMetadata(of: file).isCheckpoint() else {
        throw OptimizerFileError(
          file: path,
          reason: .missingMetadata(
            key: StateMetadata.checkpointKey, expected: "'\(StateMetadata.checkpoint)', as in a file of Checkpoint.save"
          ))
      }
      let layout = optimizer.layout
      let all = TensorSelection(file, prefix, layout.tensors.map { _ in true })
      let sources = try all.buffers(layout, as: Scalar.self)
      let known = all.names(layout)
      if let other = file.tensors.first(where: {
        $0.name.utf8.starts(with: prefix.utf8) && !known.contains(ExactText($0.name))
      }) {
        throw OptimizerFileError(file: path, tensor: other.name, reason: .unexpectedTensor)
      }
      try StateFile.take(file, into: &optimizer, parts: .all)
      // Nothing fails from here on.
      for (target, source) in zip(parameters, sources) {
        if let source { _ = target.update(fromContentsOf: source) }
      }
      withExtendedLifetime(file) {}
      var own = SafetensorsMetadata()
      for (key, value) in file.metadata where !key.utf8.starts(with: StateMetadata.prefix.utf8) { own[key] = value }
      return own
    }
  }

  /// The part of each tensor in a flat vector.
  private static func parts<Scalar>(
    of vector: UnsafeMutableBufferPointer<Scalar>, _ layout: ParameterLayout
  ) -> [UnsafeMutableBufferPointer<Scalar>] {
    layout.tensors.map { UnsafeMutableBufferPointer(rebasing: vector[$0.range]) }
  }

  private static func check(_ count: Int, _ layout: ParameterLayout, _ path: String) throws(OptimizerFileError) {
    guard count == layout.count else { throw refusal("parameters", count, layout.count, path) }
  }

  private static func check(_ counts: [Int], _ layout: ParameterLayout, _ path: String) throws(OptimizerFileError) {
    guard counts.count == layout.tensors.count else {
      throw refusal("list of parameters", counts.count, layout.tensors.count, path)
    }
    for (count, tensor) in zip(counts, layout.tensors) where count != tensor.count {
      throw refusal("parameters of tensor '\(tensor.name)'", count, tensor.count, path)
    }
  }

  private static func refusal(_ what: String, _ count: Int, _ expected: Int, _ path: String) -> OptimizerFileError {
    OptimizerFileError(file: path, reason: .refused(.countMismatch(what: what, count: count, expected: expected)))
  }
}
