import Momentum
import MomentumFiles

/// The average of the clipped gradients of single examples, from a file whose tensors have examples along their first
/// axis into a file without that axis.
struct ExampleAverage<Scalar: BLASScalar & SafetensorsScalar> {
  let report: PerExampleReport

  /// Clips, averages and writes. A skipped average is not written.
  init(
    _ gradients: CheckpointTensors, clipping: PerExampleClipping, output: String, into target: TensorOutput,
    threads: Int?
  ) throws {
    let examples = try Self.examples(of: gradients)
    let layout = try gradients.naming { () throws(MomentumError) in
      try ParameterLayout(gradients.tensors.map { ($0.tensor.name, Array($0.tensor.shape.dropFirst())) })
    }
    var average = try ParameterVector<Scalar>(layout)
    let matrix = try Self.matrix(gradients, examples, layout)
    report = try matrix.withUnsafeBufferPointer { matrix in
      try average.withUnsafeMutableBufferPointer { average in
        try gradients.naming { () throws(MomentumError) in
          try clipping.average(
            BLAS.Matrix(matrix.baseAddress, rows: examples, columns: layout.count), layout: layout, into: average,
            threads: threads)
        }
      }
    }
    try gradients.set.checkUnchanged()
    guard !report.wasSkipped else { return }
    var writer = SafetensorsWriter(path: output, metadata: gradients.set.files[0].metadata)
    try average.withUnsafeBufferPointer { average in
      for tensor in layout.tensors {
        try writer.add(tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(rebasing: average[tensor.range]))
      }
      try target.add(writer, from: gradients)
      try target.commit()
    }
  }

  /// The norms and the effect of clipping in one line.
  var summary: String {
    let norms = report.norms.filter(\.isFinite)
    var parts = ["\(report.norms.count) examples"]
    if let least = norms.min(), let largest = norms.max() { parts.append("norms \(least) to \(largest)") }
    if report.clippedCounts.count == 1 {
      parts.append("\(report.clippedCounts[0]) clipped")
    } else {
      parts.append("clipped in each tensor: \(report.clippedCounts)")
    }
    if report.nonFiniteExamples > 0 { parts.append("\(report.nonFiniteExamples) not finite") }
    if report.wasSkipped { parts.append("SKIPPED, nothing written") }
    return parts.joined(separator: ", ")
  }

  /// The number of examples, the same in all tensors.
  private static func examples(of gradients: CheckpointTensors) throws -> Int {
    var count: Int?
    for tensor in gradients.tensors.lazy.map(\.tensor) {
      guard let first = tensor.shape.first else {
        throw DataFileError(
          file: gradients.name, cause: "tensor '\(tensor.name)' has no axis; expected examples along the first one")
      }
      guard first == count ?? first else {
        throw DataFileError(
          file: gradients.name, cause: "tensor '\(tensor.name)' has \(first) examples; expected \(count ?? 0) as before"
        )
      }
      count = first
    }
    guard let count, count > 0 else {
      throw DataFileError(file: gradients.name, cause: "has no examples; expected some along the first axes")
    }
    return count
  }

  /// One row for each example with its parts of all tensors.
  private static func matrix(
    _ gradients: CheckpointTensors, _ examples: Int, _ layout: ParameterLayout
  ) throws -> ParameterVector<Scalar> {
    var matrix = try ParameterVector<Scalar>(ParameterLayout(count: examples * layout.count))
    try matrix.withUnsafeMutableBufferPointer { matrix in
      for tensor in layout.tensors where tensor.count > 0 {
        guard let place = gradients.place(of: tensor.name) else { continue }
        let source = try place.file.unsafeBuffer(of: tensor.name, as: Scalar.self)
        for example in 0..<examples {
          let row = matrix.baseAddress! + (example * layout.count + tensor.offset)
          row.update(from: source.baseAddress! + example * tensor.count, count: tensor.count)
        }
      }
    }
    return matrix
  }
}
