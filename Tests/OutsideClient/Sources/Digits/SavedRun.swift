import Foundation
import Momentum
import MomentumFiles

/// A run in two files. The state says after how many steps it was saved, and that is in the name of the parameters' file:
/// it is written first, so that the state that replaces the old one never lacks its parameters.
struct SavedRun {
  let folder: String

  private var state: String { "\(folder)/state.safetensors" }
  private func parameters(_ step: Int) -> String { "\(folder)/parameters-\(step).safetensors" }

  func save(_ optimizer: borrowing Optimizer<Float>, _ tensors: [Tensor]) throws {
    var writer = SafetensorsWriter(path: parameters(optimizer.stepCount))
    for tensor in tensors {
      try writer.add(tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(tensor.values))
    }
    try writer.write()
    try StateFile.save(optimizer, to: state)
  }

  /// Goes on from what is saved, if anything is.
  func resume(_ optimizer: inout Optimizer<Float>, _ tensors: [Tensor]) throws {
    guard FileManager.default.fileExists(atPath: state) else { return }
    try StateFile.load(state, into: &optimizer)
    let file = try SafetensorsFile(path: parameters(optimizer.stepCount))
    for tensor in tensors {
      try file.withUnsafeBuffer(of: tensor.name, as: Float.self) { _ = tensor.values.update(fromContentsOf: $0) }
    }
  }
}
