import Momentum

/// All rows that were asked for, one after another.
struct BenchRun {
  enum Element: String, CaseIterable { case float, double }

  var operations: [BenchOperation]
  var sizes: [BenchSize]
  var scalars: [Element]
  var threads: [Int]
  var timer: BenchTimer
  var kernel = LimitKernel.best
  /// Leave out what the memory does not hold, rather than refuse to run.
  var skipsTooLarge = false

  /// The sizes that are measured with one element type.
  struct Part {
    var scalar: Element
    var sizes: [BenchSize]
  }

  /// The measurements to make. Looks at the memory that is available now.
  func parts() throws -> [Part] {
    try scalars.map { scalar in
      Part(scalar: scalar, sizes: try sizes.filter { try !skipsTooLarge || MemoryNeed.fits($0, scalar) })
    }
  }

  func rowCount(_ parts: [Part]) -> Int {
    parts.reduce(0) { $0 + $1.sizes.count } * operations.count * threads.count
  }

  /// Verifies and times row by row.
  ///
  /// - Parameters:
  ///   - parts: What is measured.
  ///   - finished: Is given each row when it is done.
  ///   - stop: Asked between rows.
  func run(_ parts: [Part], finished: (BenchRow) -> Void, stop: () -> Bool) throws {
    for part in parts {
      switch part.scalar {
      case .float: try run(Float.self, part.sizes, finished, stop)
      case .double: try run(Double.self, part.sizes, finished, stop)
      }
    }
  }

  private func run<Scalar: LimitScalar>(
    _: Scalar.Type, _ sizes: [BenchSize], _ finished: (BenchRow) -> Void, _ stop: () -> Bool
  ) throws {
    for size in sizes {
      let layout = try size.layout()
      for threads in threads {
        let memory = try BenchMemory<Scalar>(layout, threads: threads)
        for operation in operations {
          guard !stop() else { return }
          finished(try row(operation, size, memory))
        }
      }
    }
  }

  private func row<Scalar: LimitScalar>(
    _ operation: BenchOperation, _ size: BenchSize, _ memory: BenchMemory<Scalar>
  ) throws -> BenchRow {
    let name = "\(operation.name), \(memory.count) elements of \(Scalar.self)"
    memory.fillGradients()
    let contest =
      switch operation.kind {
      case .norm: try BenchContest.norm(memory, kernel, row: name)
      case .clip: try BenchContest.clip(memory, kernel, row: name)
      case .step: try BenchContest.step(operation, memory, kernel, row: name)
      }
    let contenders = [contest.engine, contest.limit] + (contest.plain.map { [$0.contender] } ?? [])
    return BenchRow(operation, size, memory, contest, try timer.time(contenders))
  }
}
