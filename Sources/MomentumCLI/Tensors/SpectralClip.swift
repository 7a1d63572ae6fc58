import ArgumentParser
import Momentum

/// The options of `momentum clip` for spectral norms.
struct SpectralClipOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Bring every matrix to a spectral norm, which is its largest singular value, of at most X: by a bound of it that is \
      proven, before the result is rounded to the type of its tensor. Tensors of fewer than two axes are single rows. inf \
      measures the norms and clips nothing.
      """, valueName: "x"), transform: NumberText.double)
  var clipSpectralNorm: Double?

  @Option(help: "How tensors of more than two axes are read as matrices. (default: first-axis)")
  var view: MatrixReading?

  /// The names of the options that were given.
  var given: [String] {
    ["--clip-spectral-norm": clipSpectralNorm != nil, "--view": view != nil].filter(\.value).keys.sorted()
  }

  func validate() throws {
    if let clipSpectralNorm, !(clipSpectralNorm >= 0) {
      throw ValidationError("--clip-spectral-norm is \(clipSpectralNorm); expected a number >= 0")
    }
    if view != nil, clipSpectralNorm == nil { throw ValidationError("--view needs --clip-spectral-norm") }
  }

  var limit: SpectralLimit? {
    clipSpectralNorm.map { SpectralLimit(largest: $0, view: (view ?? .firstAxis).view) }
  }
}

/// A limit of the spectral norm of every matrix.
struct SpectralLimit {
  let largest: Double
  /// How tensors are read as matrices.
  let view: MatrixView
}

/// The matrices of tensors, and what a limit of their spectral norms did to them.
struct ClippedMatrices {
  private(set) var matrices: [MatrixTensor.Found] = []
  private(set) var clippedCount = 0

  /// Clips the matrices of a tensor where they are in memory.
  mutating func clip<Scalar: StoredScalar>(
    _ name: String, _ shape: [Int], _ elements: UnsafeMutableBufferPointer<Scalar>, _ limit: SpectralLimit,
    threads: Int?
  ) throws {
    let tensor = try MatrixTensor(name, shape, TensorBuffer(UnsafeBufferPointer(elements)), limit.view)
    for (index, matrix) in try tensor.norms(threads: threads, limit: limit.largest).enumerated() {
      let own = UnsafeMutableBufferPointer(rebasing: elements[tensor.range(of: index)])
      if try Gradients.multiply(own, by: matrix.clipCoefficient ?? 1, threads: threads) { clippedCount += 1 }
      matrices.append(matrix)
    }
  }

  mutating func add(_ other: ClippedMatrices) {
    matrices += other.matrices
    clippedCount += other.clippedCount
  }

  /// For people.
  var note: String { "\(clippedCount) of \(matrices.count) matrices clipped by their spectral norms" }
}
