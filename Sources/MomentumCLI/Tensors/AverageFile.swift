import Momentum
import MomentumFiles

/// The averaged parameters as a file: tensors of the parameters' names, and in the metadata how many steps have entered each,
/// which is what is needed to go on exactly as if the run had not stopped.
enum AverageFile {
  /// Before the name of a tensor.
  private static let countKeyPrefix = "momentum.stepsAveraged."

  /// Gives an optimizer the averages of a file.
  static func load<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, into optimizer: inout Optimizer<Scalar>, parameters: TensorFile
  ) throws {
    let average = try TensorFile(path)
    let tensors = try parameters.matching(average, as: Scalar.self)
    try withExtendedLifetime(average) {
      for (index, values) in tensors.enumerated() {
        guard let values else { continue }
        let key = countKeyPrefix + parameters.tensors[index].name
        guard let text = average.file.metadata[key], let count = Int(text), count >= 1 else {
          let value = average.file.metadata[key].map { "'\($0)'" } ?? "missing"
          throw DataFileError(file: path, cause: "\(key) is \(value); expected a whole number >= 1")
        }
        try optimizer.setAverage(ofTensor: index, values, count: count)
      }
    }
  }

  /// Prepares the file of an optimizer's averages: of the tensors that have one.
  static func writer<Scalar: BLASScalar & SafetensorsScalar>(
    _ path: String, of optimizer: inout Optimizer<Scalar>
  ) throws -> SafetensorsWriter {
    var writer = SafetensorsWriter(path: path)
    let layout = optimizer.layout
    for (index, tensor) in layout.tensors.enumerated() where optimizer.hasAverage(ofTensor: index) {
      writer.metadata[countKeyPrefix + tensor.name] = String(optimizer.stepsAveraged(ofTensor: index))
      // The optimizer's memory outlives the writer, and nothing steps in between.
      let values = optimizer.withUnsafeAverage(ofTensor: index) { $0 }
      try writer.add(tensor.name, shape: tensor.shape, values: values)
    }
    return writer
  }
}
