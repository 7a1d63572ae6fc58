import Foundation
import Momentum
import MomentumFiles

/// Steps parameters that lie in mapped files, saves after every ten steps, and goes on from what an earlier process left,
/// however that ended.
///
/// There are two copies of the parameters, and the file of the optimizer's state, which replaces the old one at once, says
/// which of them counts. The steps write the other one: a process that is killed leaves the copy that counts whole.
@main
struct MappedParameters {
  static let stepsBetweenSaves = 10

  static func main() throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3, let saves = Int(arguments[2]) else {
      fatalError("usage: MappedParameters FOLDER SAVES")
    }
    let folder = arguments[1]
    let layout = try ParameterLayout([("weight", [400, 250]), ("bias", [400])])
    let copies = try (0..<2).map { try MappedVector("\(folder)/parameters-\($0)", count: layout.count) }

    var optimizer = try Optimizer<Float>(
      layout, rule: SGD(learningRate: 0.01, momentum: 0.9), clipping: .byGlobalNorm(100))
    let state = "\(folder)/state.safetensors"
    if FileManager.default.fileExists(atPath: state) { try StateFile.load(state, into: &optimizer) }

    let target = (0..<layout.count).map { Float($0 % 1000) / 1000 }
    let gradient = UnsafeMutableBufferPointer<Float>.allocate(capacity: layout.count)
    defer { gradient.deallocate() }
    var saved = optimizer.stepCount / stepsBetweenSaves
    while saved < saves {
      let (current, next) = (copies[saved % 2].elements, copies[(saved + 1) % 2])
      _ = next.elements.update(fromContentsOf: current)
      for _ in 0..<stepsBetweenSaves {
        try slope(at: next.elements, toward: target, into: gradient)
        try optimizer.step(parameters: next.elements, gradients: UnsafeBufferPointer(gradient))
      }
      try next.flush()
      try StateFile.save(optimizer, to: state)  // from here on the other copy counts
      saved += 1
      FileHandle.standardOutput.write(Data("saved step \(optimizer.stepCount)\n".utf8))
    }
  }

  /// The gradient of `½ · ‖parameters - target‖²`.
  private static func slope(
    at parameters: UnsafeMutableBufferPointer<Float>, toward target: [Float],
    into gradient: UnsafeMutableBufferPointer<Float>
  ) throws {
    try BLAS.copy(BLAS.Vector(UnsafeBufferPointer(parameters)), to: BLAS.MutableVector(gradient))
    try target.withUnsafeBufferPointer { target in
      try BLAS.axpy(-1, BLAS.Vector(target), into: BLAS.MutableVector(gradient))
    }
  }
}
