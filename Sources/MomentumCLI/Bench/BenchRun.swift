import Momentum

/// All rows that were asked for, one after another.
struct BenchRun {
  enum Element: String, CaseIterable {
    case float, double

    var byteCount: Int { self == .float ? 4 : 8 }
  }

  var operations: [BenchOperation]
  var sizes: [BenchSize]
  var scalars: [Element]
  var threads: [Int]
  var timer: BenchTimer
  var kernel = LimitKernel.best
  /// How the engine's steps run their programs.
  var kernels = StepKernels.automatic
  /// Leave out what the memory does not hold, rather than refuse to run.
  var skipsTooLarge = false

  /// What is measured with vectors of one size and element type.
  struct Part {
    var scalar: Element
    var size: BenchSize
    var operations: [BenchOperation]
  }

  /// The measurements to make. Looks at the memory that is available now.
  func parts() throws -> [Part] {
    var parts: [Part] = []
    for scalar in scalars {
      for size in sizes {
        let count = try size.layout().count
        let fitting = operations(of: scalar).filter {
          !skipsTooLarge || MemoryNeed.fits(count, $0.bytesPerElement(scalar))
        }
        if !fitting.isEmpty { parts.append(Part(scalar: scalar, size: size, operations: fitting)) }
      }
    }
    return parts
  }

  func rowCount(_ parts: [Part]) -> Int { parts.reduce(0) { $0 + $1.operations.count } * threads.count }

  /// What can be measured with one element type.
  func operations(of scalar: Element) -> [BenchOperation] { operations.filter { $0.exists(for: scalar) } }

  /// Verifies and times row by row.
  ///
  /// - Parameters:
  ///   - parts: What is measured.
  ///   - finished: Is given each row when it is done.
  ///   - stop: Asked between rows.
  func run(_ parts: [Part], finished: (BenchRow) -> Void, stop: () -> Bool) throws {
    let before = StepKernels.outsideSteps
    StepKernels.outsideSteps = kernels
    defer { StepKernels.outsideSteps = before }
    for part in parts {
      switch part.scalar {
      case .float: try run(Float.self, part, finished, stop)
      case .double: try run(Double.self, part, finished, stop)
      }
    }
  }

  private func run<Scalar: LimitScalar>(
    _: Scalar.Type, _ part: Part, _ finished: (BenchRow) -> Void, _ stop: () -> Bool
  ) throws {
    let layout = try part.size.layout()
    for threads in threads {
      let memory = try BenchMemory<Scalar>(layout, threads: threads)
      for operation in part.operations {
        guard !stop() else { return }
        finished(try row(operation, part.size, memory))
      }
    }
  }

  private func row<Scalar: LimitScalar>(
    _ operation: BenchOperation, _ size: BenchSize, _ memory: BenchMemory<Scalar>
  ) throws -> BenchRow {
    let name = "\(operation.name), \(memory.count) elements of \(Scalar.self)"
    memory.fillGradients()
    let contest = try BenchContest.verified(operation, memory, kernel, kernels: kernels, row: name)
    let contenders = [contest.engine, contest.limit] + [contest.plain?.contender, contest.wide].compactMap { $0 }
    return BenchRow(operation, size, memory, contest, try timer.time(contenders))
  }
}

extension BenchContest {
  /// The contenders of a row, whose results are right.
  static func verified<Scalar: LimitScalar>(
    _ operation: BenchOperation, _ memory: BenchMemory<Scalar>, _ kernel: LimitKernel,
    kernels: StepKernels = .automatic,
    row: String
  ) throws -> BenchContest {
    switch operation.kind {
    case .norm: return try norm(memory, kernel, row: row)
    case .clip: return try clip(memory, kernel, row: row)
    case .step:
      if operation.isAdamW { return try adamW(operation, memory, kernel, kernels: kernels, row: row) }
      guard let storage = operation.storage else {
        return try step(operation, memory, kernel, kernels: kernels, row: row)
      }
      guard let memory = memory as? BenchMemory<Float> else {
        preconditionFailure("steps in half precision have parameters of Float")
      }
      return try halfStep(operation, storage, memory, kernel, kernels: kernels, row: row)
    }
  }
}
