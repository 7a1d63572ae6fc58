import Momentum

/// All rows of matrices that were asked for, one after another.
struct MatrixRun {
  var matrices: [MatrixCase]
  var scalars: [BenchRun.Element]
  var threads: [Int]
  var timer: BenchTimer
  /// Whether to take steps along polar factors too.
  var polar = false
  /// The largest singular value by the smallest; `nil` for matrices like those of random numbers.
  var condition: Double?

  var rowCount: Int { matrices.count * scalars.count * threads.count }

  /// Fails before anything is measured if the memory does not hold a row.
  func checkMemory() throws {
    guard let available = MemoryNeed.available else { return }
    for scalar in scalars {
      for matrices in matrices {
        let bytes = matrices.byteCount(scalar)
        guard bytes <= Double(available) else {
          throw MatricesTooLarge(matrices: matrices.name, scalar: scalar.rawValue, bytes: bytes, available: available)
        }
      }
    }
  }

  /// Verifies and times row by row.
  ///
  /// - Parameters:
  ///   - finished: Is given each row when it is done.
  ///   - stop: Asked between rows.
  func run(finished: (MatrixRow) -> Void, stop: () -> Bool) throws {
    for scalar in scalars {
      for matrices in matrices {
        for threads in threads {
          guard !stop() else { return }
          finished(
            scalar == .float ? try row(Float.self, matrices, threads) : try row(Double.self, matrices, threads))
        }
      }
    }
  }

  private func row<Scalar: LimitScalar>(
    _: Scalar.Type, _ matrices: MatrixCase, _ threads: Int
  ) throws -> MatrixRow {
    let memory = try BenchMemory<Scalar>(matrices.layout(), threads: threads)
    let contest = try MatrixContest(
      matrices, memory, polar: polar, condition: condition, row: "\(matrices.name) of \(Scalar.self)")
    return try MatrixRow(matrices, memory, contest, timer)
  }
}

private struct MatricesTooLarge: Error, CustomStringConvertible {
  let matrices, scalar: String
  let bytes: Double
  let available: Int

  var description: String {
    let needed = bytes < 0x1p62 ? "\(Int(bytes) >> 20)" : "\(bytes / 0x1p20)"
    return "\(matrices) of \(scalar): needs \(needed) MiB, more than the \(available >> 20) MiB that are available"
  }
}
