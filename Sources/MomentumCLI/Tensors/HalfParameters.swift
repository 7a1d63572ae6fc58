import Foundation
import Momentum
import MomentumFiles

/// How parameters in half precision are stepped: rounded after each step, or as copies of masters of Floats.
///
/// The masters may have parameters of F32 too, as those have that DeepSpeed's script writes. Such a tensor is its own master,
/// and must have the same bits in both: it is stepped once, and written to the parameters and to the masters.
struct HalfParameters {
  private let rounding: Rounding?
  private let master: CheckpointTensors?
  private let hasMasters: Bool
  private let patterns: NamePatterns
  /// The parameters of F32 that are stepped and that the masters have too.
  private(set) var ownMasters: Set<SafetensorsTensor> = []

  /// Opens the masters, and checks that the options go with the parameters.
  init(_ options: HalfOptions, of parameters: CheckpointTensors, _ patterns: NamePatterns) throws {
    (rounding, self.patterns) = (options.roundingMode, patterns)
    hasMasters = options.outputMaster != nil
    master =
      options.master.isEmpty
      ? nil : try CheckpointTensors(options.master, patterns, needsAllPatterns: false, access: .copyOnWrite)
    if let master, let pattern = patterns.unused(among: parameters.names + master.names) {
      throw DataFileError(
        file: "\(parameters.name), \(master.name)", cause: "have no tensor that the pattern '\(pattern)' matches")
    }
    let halves = parameters.tensors.filter(\.tensor.dtype.isHalf)
    guard let first = halves.first else {
      guard let option = options.given.first else { return }
      throw DataFileError(
        file: parameters.name, cause: "has no tensor in half precision; expected BF16 or F16, or no \(option)")
    }
    if rounding == nil, !hasMasters {
      throw Self.refusal(
        first,
        "--rounding nearest or stochastic with it, or --output-master with a master of F32, which moves as F32 does")
    }
    if rounding != nil, let other = halves.first(where: { $0.tensor.dtype != .bf16 }) {
      throw Self.refusal(other, "BF16, which --rounding takes, or --output-master with a master of F32")
    }
    try checkMaster(halves, parameters)
  }

  private static func refusal(_ place: SafetensorsSet.Place, _ expected: String) -> DataFileError {
    DataFileError(
      file: place.file.path,
      cause: "tensor '\(place.tensor.name)' is of type \(place.tensor.dtype.rawValue); expected \(expected)")
  }

  /// Checks that each tensor in half precision has a master of its shape, and each master a tensor.
  private mutating func checkMaster(_ halves: [SafetensorsSet.Place], _ parameters: CheckpointTensors) throws {
    guard let master else { return }
    for place in halves {
      guard let own = master.place(of: place.tensor.name) else {
        throw DataFileError(
          file: master.name,
          cause: "has no tensor '\(place.tensor.name)', which is in half precision in \(parameters.name)")
      }
      try check(own, of: place, parameters.name)
    }
    for place in parameters.set.tensors {
      if let own = passedMaster(of: place.tensor) { try check(own, of: place, parameters.name) }
    }
    for own in master.tensors {
      guard let place = parameters.place(of: own.tensor.name), place.tensor.dtype != .f64 else {
        throw DataFileError(
          file: own.file.path,
          cause:
            "tensor '\(own.tensor.name)' is not of BF16, F16 or F32 in \(parameters.name); expected the masters of "
            + "tensors that are, or --skip for it")
      }
      if place.tensor.dtype == .f32 { try addOwnMaster(own, of: place, parameters.name) }
    }
  }

  /// Takes a parameter of F32 for its own master, if it is.
  private mutating func addOwnMaster(
    _ master: SafetensorsSet.Place, of place: SafetensorsSet.Place, _ parameters: String
  ) throws {
    try check(master, of: place, parameters)
    let bytes = try place.file.unsafeBytes(of: place.tensor.name)
    let others = try master.file.unsafeBytes(of: master.tensor.name)
    if let start = bytes.baseAddress, let other = others.baseAddress, memcmp(start, other, bytes.count) != 0 {
      throw DataFileError(
        file: master.file.path,
        cause:
          "tensor '\(master.tensor.name)' is of type F32 in \(parameters) too, and has other elements there; expected "
          + "the same, or --skip for it")
    }
    for place in [place, master] { place.file.release(place.tensor) }
    ownMasters.insert(place.tensor)
  }

  private func check(
    _ master: SafetensorsSet.Place, of place: SafetensorsSet.Place, _ parameters: String
  ) throws {
    guard master.tensor.dtype == .f32 else { throw Self.refusal(master, "F32, as masters are") }
    guard master.tensor.shape == place.tensor.shape else {
      throw DataFileError(
        file: master.file.path,
        cause: "tensor '\(master.tensor.name)' has shape \(master.tensor.shape); expected \(place.tensor.shape) as in "
          + parameters)
    }
  }

  /// The master of a tensor that is not asked for; `nil` if it is, or has none.
  private func passedMaster(of tensor: SafetensorsTensor) -> SafetensorsSet.Place? {
    guard tensor.dtype.isHalf || tensor.dtype == .f32, !patterns.takes(tensor.name) else { return nil }
    return master?.set.place(of: tensor.name)
  }

  /// The masters of those tensors of a file of parameters that are not asked for. They are copied, as the tensors are: an
  /// output may take the place of the only file that has them.
  func passedMasters(of file: SafetensorsFile) throws -> CheckpointOutput.Replacements {
    var masters: CheckpointOutput.Replacements = [:]
    for tensor in file.tensors {
      guard let own = passedMaster(of: tensor) else { continue }
      masters[tensor] = (.f32, try own.file.unsafeBytes(of: own.tensor.name))
    }
    return masters
  }

  /// The checkpoint of the masters, if there is one.
  var checkpoints: [CheckpointTensors] { master.map { [$0] } ?? [] }

  /// Fails if the masters have changed since they were opened.
  func checkUnchanged() throws { try master?.set.checkUnchanged() }

  /// Has the system read the masters of some tensors ahead.
  func prefetch(of tensors: CheckpointTensors) { master?.prefetch(of: tensors.only { $0.tensor.dtype.isHalf }) }

  /// The parameters of F32 among some tensors that are masters too, as they are written there.
  ///
  /// - Parameter bytes: The elements of one.
  func ownMasters(
    among tensors: [SafetensorsTensor], _ bytes: (SafetensorsTensor) throws -> UnsafeRawBufferPointer
  ) rethrows -> CheckpointOutput.Replacements {
    var masters: CheckpointOutput.Replacements = [:]
    for tensor in tensors where ownMasters.contains(tensor) { masters[tensor] = (.f32, try bytes(tensor)) }
    return masters
  }

  /// The masters of those of some tensors that are in half precision; `nil` if they have none.
  ///
  /// - Parameter onlyMeasured: Whether no step changes them. Tensors of BF16 that have no masters yet then stand for
  ///   them, which are the same numbers.
  /// - Parameter pool: Where memory is taken from; `nil` for that of the files, if there are some.
  func masters(of tensors: CheckpointTensors, onlyMeasured: Bool, in pool: MemoryPool?) throws -> Masters? {
    guard hasMasters else { return nil }
    let needsAll = master != nil || !onlyMeasured
    let halves = tensors.only { $0.tensor.dtype.isHalf && (needsAll || $0.tensor.dtype != .bf16) }
    if let pool { return try Masters(halves, master, in: pool) }
    return try Masters(halves, master)
  }

  /// Some parameters as steps take them.
  ///
  /// - Parameter memory: Where they are; `nil` for the memory of their files.
  func buffers(
    of tensors: CheckpointTensors, _ masters: Masters?, in memory: TensorMemory?
  ) throws -> [ParameterBuffer] {
    func elements<Scalar: SafetensorsScalar>(
      _ place: SafetensorsSet.Place, as type: Scalar.Type
    ) throws -> UnsafeMutableBufferPointer<Scalar> {
      try memory?.buffer(of: place.tensor, as: type)
        ?? place.file.unsafeMutableBuffer(of: place.tensor.name, as: type)
    }
    return try tensors.tensors.map { place in
      switch place.tensor.dtype {
      case .bf16:
        let halves = try elements(place, as: BFloat16.self)
        if let master = masters?.buffers[place.tensor] { return ParameterBuffer(master, copy: halves) }
        return ParameterBuffer(halves, rounding: rounding ?? .nearest)
      #if !(os(macOS) && arch(x86_64))
        case .f16:
          let halves = try elements(place, as: Float16.self)
          guard let master = masters?.buffers[place.tensor] else { preconditionFailure("F16 was checked for masters") }
          return ParameterBuffer(master, copy: halves)
      #endif
      default: return ParameterBuffer(try elements(place, as: Float.self))
      }
    }
  }
}

/// The masters of some tensors in half precision: those of files, or the tensors widened.
final class Masters {
  private(set) var buffers: [SafetensorsTensor: UnsafeMutableBufferPointer<Float>] = [:]
  private var widened: [WidenedTensors] = []
  private var memory: TensorMemory?

  /// Masters in the memory of a pool.
  fileprivate init(_ halves: CheckpointTensors, _ master: CheckpointTensors?, in pool: MemoryPool) throws {
    let memory = try TensorMemory(halves.tensors.map(\.tensor), in: pool) { 4 * $0.count }
    self.memory = memory
    for place in halves.tensors {
      let buffer = memory.buffer(of: place.tensor, as: Float.self)
      buffers[place.tensor] = buffer
      if let own = master?.place(of: place.tensor.name) {
        try own.file.copy(own.tensor, to: UnsafeMutableRawPointer(buffer.baseAddress!))
      } else {
        try place.file.tensorBuffer(of: place.tensor).widen(into: buffer)
      }
    }
  }

  /// Masters in the memory of their files, or in memory of their own.
  fileprivate init(_ tensors: CheckpointTensors, _ master: CheckpointTensors?) throws {
    for dtype in tensors.dtypes where dtype.isHalf {
      let halves = tensors.only { $0.tensor.dtype == dtype }
      if let master {
        for place in halves.tensors {
          guard let own = master.place(of: place.tensor.name) else { continue }
          buffers[place.tensor] = try own.file.unsafeMutableBuffer(of: own.tensor.name, as: Float.self)
        }
      } else {
        let copies = try WidenedTensors(halves)
        widened.append(copies)
        for (place, buffer) in zip(halves.tensors, copies.buffers) { buffers[place.tensor] = buffer }
      }
    }
  }

  /// The masters as they are written.
  var contents: CheckpointOutput.Replacements { buffers.mapValues { (.f32, UnsafeRawBufferPointer($0)) } }
}
