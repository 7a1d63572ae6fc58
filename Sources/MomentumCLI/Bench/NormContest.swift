import CMomentumLimit
import Momentum

/// The engine's norm of all gradients.
final class EngineNorm<Scalar: LimitScalar>: BenchContender {
  private let memory: BenchMemory<Scalar>
  private let buffers: [UnsafeBufferPointer<Scalar>]
  private(set) var norm = 0.0

  init(_ memory: BenchMemory<Scalar>) {
    self.memory = memory
    buffers = memory.layout.tensors.map { UnsafeBufferPointer(rebasing: memory.gradients[$0.range]) }
  }

  var kernels: StepKernels? { .ofNorms(Scalar.self) }
  func prepare() {}
  func run() throws { norm = try Gradients.norm(of: buffers, threads: memory.threads).norm }
}

extension StepKernels {
  /// How norms by themselves sum the squares of tiles.
  static func ofNorms<Scalar: BLASScalar>(_: Scalar.Type) -> StepKernels {
    StepKernels.sumsNormsByLoops(Scalar.self) ? .fused : .blas
  }
}

/// The norm as one loop over each thread's share.
final class LimitNorm<Scalar: LimitScalar>: BenchContender {
  private let squares: LimitSquares<Scalar>
  private(set) var norm = 0.0

  init(_ memory: BenchMemory<Scalar>, _ kernel: LimitKernel) { squares = LimitSquares(memory, kernel) }

  func prepare() {}
  func run() { norm = squares.total().squareRoot() }
}

/// The norm as a dot product of each tile with itself, and nothing else: no look at the sums, no exact addition of
/// them.
final class TiledDotNorm<Scalar: LimitScalar>: BenchContender {
  private let memory: BenchMemory<Scalar>
  private let sums: ThreadSums
  private(set) var norm = 0.0

  init(_ memory: BenchMemory<Scalar>) {
    self.memory = memory
    sums = ThreadSums(memory.team.count)
  }

  func prepare() {}

  func run() {
    let (base, sums) = (SharedPointer(memory.gradients), sums)
    memory.team.run { thread, share in
      var sum = 0.0
      for start in stride(from: share.lowerBound, to: share.upperBound, by: Tile.count) {
        let x = UnsafePointer(base.value + start)
        sum += Double(Scalar._dot(Int32(min(Tile.count, share.upperBound - start)), x, 1, x, 1))
      }
      sums[thread] = sum
    }
    norm = sums.total.squareRoot()
  }
}

/// The sum of squares of all gradients by the hand-fused kernel.
struct LimitSquares<Scalar: LimitScalar> {
  private let memory: BenchMemory<Scalar>
  private let sums: ThreadSums
  private let kernel: LimitKernel

  init(_ memory: BenchMemory<Scalar>, _ kernel: LimitKernel) {
    (self.memory, self.kernel) = (memory, kernel)
    sums = ThreadSums(memory.team.count)
  }

  /// - Parameter bounds: Where to clamp the elements before.
  func total(clampedTo bounds: ClosedRange<Double>? = nil) -> Double {
    let (base, sums, kernel) = (SharedPointer(memory.gradients), sums, kernel)
    memory.team.run { thread, share in
      let x = UnsafePointer(base.value + share.lowerBound)
      sums[thread] =
        if let bounds {
          Scalar.limitSquares(kernel.path, x, share.count, clampedTo: bounds)
        } else {
          Scalar.limitSquares(kernel.path, x, share.count)
        }
    }
    return sums.total
  }
}

/// One number a thread, a cache line apart.
final class ThreadSums: @unchecked Sendable {  // each thread writes its own number
  private let values: UnsafeMutablePointer<Double>
  private let count: Int
  private static let stride = 16

  init(_ count: Int) {
    self.count = count
    values = .allocate(capacity: count * Self.stride)
    values.initialize(repeating: 0, count: count * Self.stride)
  }

  deinit { values.deallocate() }

  subscript(thread: Int) -> Double {
    get { values[thread * Self.stride] }
    set { values[thread * Self.stride] = newValue }
  }

  var total: Double { (0..<count).reduce(0) { $0 + self[$1] } }
}

/// Carries an address into a concurrent closure. Threads work on disjoint shares.
struct SharedPointer<Scalar>: @unchecked Sendable {
  let value: UnsafeMutablePointer<Scalar>
  init(_ buffer: UnsafeMutableBufferPointer<Scalar>) { value = buffer.baseAddress! }
}

extension BenchContest {
  /// Verifies three ways to measure a norm.
  static func norm<Scalar: LimitScalar>(
    _ memory: BenchMemory<Scalar>, _ kernel: LimitKernel, row: String
  ) throws -> BenchContest {
    let (engine, limit, dot) = (EngineNorm(memory), LimitNorm(memory, kernel), TiledDotNorm(memory))
    try engine.run()
    limit.run()
    dot.run()
    let expected = memory.squares.reduce(0, +).squareRoot()
    func verify(_ name: String, _ norm: Double) throws {
      guard abs(norm - expected) <= normTolerance(Scalar.self) * expected else {
        throw BenchFailure(row: row, contender: name, cause: "the norm is \(norm), expected \(expected)")
      }
    }
    try verify("momentum", engine.norm)
    try verify("limit", limit.norm)
    let fault = try fault { try verify("tiled dot", dot.norm) }
    return BenchContest(
      engine: engine, limit: limit, plain: ("tiled dot", dot), plainFault: fault,
      bytes: memory.count * MemoryLayout<Scalar>.stride)
  }
}
