package import Momentum

/// What is remembered of tensors that a step passes by. It goes into the new file of state as the old one has it, so that these
/// tensors go on later as if there had been no step.
package struct PassedState<Scalar: BLASScalar & SafetensorsScalar> {
  package typealias Name = (name: String, shape: [Int])

  struct Tensor {
    var name: String
    var shape: [Int]
    var velocity = VelocityState()
    var average = AverageState()
    var direction: TensorBuffer?
    var secondMoment: UnsafeBufferPointer<Scalar>?
    var averageElements: UnsafeBufferPointer<Scalar>?
  }

  let tensors: [Tensor]
  /// The files that the vectors point into. They live as long as this does.
  private let files: [SafetensorsFile]

  /// Tensors of which nothing is remembered yet.
  package init(_ names: [Name]) { self.init(names.map { Tensor(name: $0.name, shape: $0.shape) }, of: []) }

  init(_ tensors: [Tensor], of files: [SafetensorsFile]) { (self.tensors, self.files) = (tensors, files) }

  /// A file of these tensors alone, a group of those of ``StateFile/writer(_:of:passing:parts:isOutline:)``.
  package func writer(parts: StateFile.Parts) throws -> SafetensorsWriter {
    var writer = SafetensorsWriter(path: files.first?.path ?? "")
    try add(to: &writer, parts)
    return writer
  }

  /// Adds the vectors to a file of parts of a state: as they are to one of both, multiplied by their scales to one of one part.
  func add(to writer: inout SafetensorsWriter, _ parts: StateFile.Parts) throws {
    let areFolded = parts != .all
    func add(_ name: String, _ tensor: Tensor, _ vector: TensorBuffer, scale: Double) throws {
      guard areFolded else { return try writer.add(name, shape: tensor.shape, stored: vector) }
      let product = ScaledElements<Scalar>(stored: vector, scale: scale)
      try writer.add(name, shape: tensor.shape, elements: product)
    }
    for tensor in tensors {
      if parts.contains(.velocity) {
        if let squares = tensor.secondMoment {
          try writer.add(StateFile.secondMomentPrefix + tensor.name, shape: tensor.shape, values: squares)
        }
        if let direction = tensor.direction {
          try add(parts.prefix(of: .velocity) + tensor.name, tensor, direction, scale: tensor.velocity.scale)
        }
      }
      if parts.contains(.average), let average = tensor.averageElements {
        try add(
          parts.prefix(of: .average) + tensor.name, tensor, TensorBuffer(average), scale: tensor.average.scale)
      }
    }
  }
}
