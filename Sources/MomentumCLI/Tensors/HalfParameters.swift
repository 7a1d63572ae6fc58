import Momentum
import MomentumFiles

/// How parameters in half precision are stepped: rounded after each step, or as copies of masters of Floats.
struct HalfParameters {
  private let rounding: Rounding?
  private let master: CheckpointTensors?
  private let hasMasters: Bool

  /// Opens the masters, and checks that the options go with the parameters.
  init(_ options: HalfOptions, of parameters: CheckpointTensors, _ patterns: NamePatterns) throws {
    rounding = options.roundingMode
    hasMasters = options.outputMaster != nil
    master =
      options.master.isEmpty
      ? nil : try CheckpointTensors(options.master, patterns, needsAllPatterns: false, access: .copyOnWrite)
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
  private func checkMaster(_ halves: [SafetensorsSet.Place], _ parameters: CheckpointTensors) throws {
    guard let master else { return }
    for place in halves {
      guard let own = master.place(of: place.tensor.name) else {
        throw DataFileError(
          file: master.name,
          cause: "has no tensor '\(place.tensor.name)', which is in half precision in \(parameters.name)")
      }
      guard own.tensor.dtype == .f32 else { throw Self.refusal(own, "F32, as masters are") }
      guard own.tensor.shape == place.tensor.shape else {
        throw DataFileError(
          file: own.file.path,
          cause: "tensor '\(own.tensor.name)' has shape \(own.tensor.shape); expected \(place.tensor.shape) as in "
            + parameters.name)
      }
    }
    for own in master.tensors where parameters.place(of: own.tensor.name)?.tensor.dtype.isHalf != true {
      throw DataFileError(
        file: own.file.path,
        cause:
          "tensor '\(own.tensor.name)' is not in half precision in \(parameters.name); expected the masters of its "
          + "tensors that are")
    }
  }

  /// Fails if the masters have changed since they were opened.
  func checkUnchanged() throws { try master?.set.checkUnchanged() }

  /// Gives the memory of masters that have been written back to the system.
  func discardChanges() { for file in master?.set.files ?? [] { file.discardChanges() } }

  /// The masters of those of some tensors that are in half precision; `nil` if they have none.
  ///
  /// - Parameter onlyMeasured: Whether no step changes them. Tensors of BF16 that have no masters yet then stand for
  ///   them, which are the same numbers.
  func masters(of tensors: CheckpointTensors, onlyMeasured: Bool) throws -> Masters? {
    guard hasMasters else { return nil }
    let needsAll = master != nil || !onlyMeasured
    return try Masters(needsAll ? tensors : tensors.only { $0.tensor.dtype != .bf16 }, master)
  }

  /// Some parameters as steps take them.
  func buffers(of tensors: CheckpointTensors, _ masters: Masters?) throws -> [ParameterBuffer] {
    try tensors.tensors.map { place in
      let (file, name) = (place.file, place.tensor.name)
      switch place.tensor.dtype {
      case .bf16:
        let halves = try file.unsafeMutableBuffer(of: name, as: BFloat16.self)
        if let master = masters?.buffers[place.tensor] { return ParameterBuffer(master, copy: halves) }
        return ParameterBuffer(halves, rounding: rounding ?? .nearest)
      #if !(os(macOS) && arch(x86_64))
        case .f16:
          let halves = try file.unsafeMutableBuffer(of: name, as: Float16.self)
          guard let master = masters?.buffers[place.tensor] else { preconditionFailure("F16 was checked for masters") }
          return ParameterBuffer(master, copy: halves)
      #endif
      default: return ParameterBuffer(try file.unsafeMutableBuffer(of: name, as: Float.self))
      }
    }
  }
}

/// The masters of some tensors in half precision: those of files, or the tensors widened.
final class Masters {
  private(set) var buffers: [SafetensorsTensor: UnsafeMutableBufferPointer<Float>] = [:]
  private var widened: [WidenedTensors] = []

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
