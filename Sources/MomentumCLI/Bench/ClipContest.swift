import CMomentumLimit
import Momentum

/// How much each clip in place shortens the gradients: so little that thousands of them leave normal numbers.
private let shortening = 1 - 0x1p-10

/// Clips in place, again and again, to a norm a little below what it is.
class ClipContender<Scalar: LimitScalar>: BenchContender {
  let memory: BenchMemory<Scalar>
  /// The norm of the gradients as filled.
  let fullNorm: Double

  init(_ memory: BenchMemory<Scalar>) {
    self.memory = memory
    fullNorm = memory.squares.reduce(0, +).squareRoot()
  }

  func prepare() {
    // All contenders shorten the same gradients; fresh ones are needed only now and then.
    if memory.shortenings > contenderRunLimit { memory.fillGradients() }
  }

  func settle() {}

  var kernels: StepKernels? { nil }

  func run() throws {
    memory.shortenings += 1
    try clip(to: fullNorm * power(memory.shortenings))
  }

  func clip(to norm: Double) throws { preconditionFailure("a contender says how it clips") }

  private var lastPower = (exponent: 0, value: 1.0)

  private func power(_ exponent: Int) -> Double {
    if exponent == lastPower.exponent + 1 {
      lastPower = (exponent, lastPower.value * shortening)
    } else if exponent != lastPower.exponent {
      lastPower = (exponent, (0..<exponent).reduce(1) { value, _ in value * shortening })
    }
    return lastPower.value
  }
}

final class EngineClip<Scalar: LimitScalar>: ClipContender<Scalar> {
  private let buffers: [UnsafeMutableBufferPointer<Scalar>]

  override init(_ memory: BenchMemory<Scalar>) {
    buffers = memory.layout.tensors.map { UnsafeMutableBufferPointer(rebasing: memory.gradients[$0.range]) }
    super.init(memory)
  }

  override var kernels: StepKernels? { .ofNorms(Scalar.self) }

  override func clip(to norm: Double) throws {
    try Gradients.clip(buffers, by: .byGlobalNorm(norm), threads: memory.threads)
  }
}

/// One loop that sums squares, one that scales.
final class LimitClip<Scalar: LimitScalar>: ClipContender<Scalar> {
  private let kernel: LimitKernel
  private let squares: LimitSquares<Scalar>

  init(_ memory: BenchMemory<Scalar>, _ kernel: LimitKernel) {
    self.kernel = kernel
    squares = LimitSquares(memory, kernel)
    super.init(memory)
  }

  override func clip(to norm: Double) {
    let factor = min(1, norm / squares.total().squareRoot())
    let (base, kernel) = (SharedPointer(memory.gradients), kernel)
    memory.team.run { _, share in
      Scalar.limitScale(kernel.path, factor, base.value + share.lowerBound, share.count)
    }
  }
}

/// One call of nrm2 and one of scal, on the whole vector, with OpenBLAS's own threads.
final class PlainClip<Scalar: LimitScalar>: ClipContender<Scalar> {
  override func settle() { settleOpenBLAS() }

  override func clip(to norm: Double) throws {
    let x = BLAS.MutableVector(memory.gradients.baseAddress, count: memory.count)
    try BLAS.scal(Scalar(min(1, norm / Double(BLAS.nrm2(x.readOnly)))), x)
  }
}

extension BenchContest {
  /// Verifies three ways to clip in place.
  static func clip<Scalar: LimitScalar>(
    _ memory: BenchMemory<Scalar>, _ kernel: LimitKernel, row: String
  ) throws -> BenchContest {
    let (engine, limit, plain) = (EngineClip(memory), LimitClip(memory, kernel), PlainClip(memory))
    func verify(_ name: String, _ contender: ClipContender<Scalar>) throws {
      memory.fillGradients()
      try contender.run()
      for index in memory.sample {
        let expected = Double(BenchMemory<Scalar>.gradient(index)) * shortening
        let found = Double(memory.gradients[index])
        guard abs(found - expected) <= normTolerance(Scalar.self) * abs(expected) else {
          throw BenchFailure(row: row, contender: name, cause: "element \(index) is \(found), expected \(expected)")
        }
      }
    }
    try verify("momentum", engine)
    try verify("limit", limit)
    let fault = try fault { try verify("OpenBLAS calls", plain) }
    var program = StepProgram()
    program.append(.scal(factor: ScaledDouble(shortening), .gradient))
    let words = 1 + program.traffic.words
    return BenchContest(
      engine: engine, limit: limit, plain: ("OpenBLAS calls", plain), plainFault: fault,
      bytes: words * memory.count * MemoryLayout<Scalar>.stride)
  }
}
