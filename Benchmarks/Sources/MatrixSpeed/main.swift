// Times Newton-Schulz on matrices of common shapes: this library's, on the Gram matrix in tiles, beside the steps as they are
// written down, three products of whole matrices each, which is what a plain BLAS program does; and beside the speed of a
// product of two tiles in cache, which is the most that either could reach.
//
// Usage: MatrixSpeed [threads] [rounds]
//
// The rounds of all contenders are interleaved, and the best of each counts, so that other work on the machine disturbs all of
// them alike. OPENBLAS_NUM_THREADS limits the threads of the plain one.
import Momentum

let threads = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 2
let rounds = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 5

func seconds(_ body: () throws -> Void) rethrows -> Double {
  let clock = ContinuousClock()
  let time = try clock.measure(body).components
  return Double(time.seconds) + Double(time.attoseconds) * 1e-18
}

/// Numbers of a fixed sequence, spread like those of a gradient.
func numbers(_ count: Int) -> [Float] {
  var state: UInt64 = 1
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
  }
}

/// The steps as they are written down: `A = X Xᵀ`, `B = b·A + c·A²`, `X = a·X + B X`. All buffers but the matrix are made before.
struct PlainSteps {
  let rows: Int
  let columns: Int
  var gram: [Float]
  var factor: [Float]
  var next: [Float]

  init(_ rows: Int, _ columns: Int) {
    (self.rows, self.columns) = (rows, columns)
    gram = [Float](repeating: 0, count: rows * rows)
    factor = gram
    next = [Float](repeating: 0, count: rows * columns)
  }

  mutating func run(_ matrix: inout [Float], _ method: NewtonSchulz) throws {
    let norm = try Float(Gradients.norm(of: matrix.span, threads: threads).norm)
    for i in matrix.indices { matrix[i] /= norm }
    for step in method.steps {
      try matrix.withUnsafeMutableBufferPointer { x in
        try gram.withUnsafeMutableBufferPointer { gram in
          try factor.withUnsafeMutableBufferPointer { factor in
            try next.withUnsafeMutableBufferPointer { next in
              let matrix = BLAS.MutableMatrix(x.baseAddress, rows: rows, columns: columns)
              let a = BLAS.MutableMatrix(gram.baseAddress, rows: rows, columns: rows)
              let b = BLAS.MutableMatrix(factor.baseAddress, rows: rows, columns: rows)
              let result = BLAS.MutableMatrix(next.baseAddress, rows: rows, columns: columns)
              try BLAS.gemm(1, matrix.readOnly, matrix.readOnly.transposed, 0, into: a)
              factor.baseAddress!.update(from: gram.baseAddress!, count: gram.count)
              try BLAS.gemm(Float(step.c), a.readOnly, a.readOnly, Float(step.b), into: b)
              next.baseAddress!.update(from: x.baseAddress!, count: x.count)
              try BLAS.gemm(1, b.readOnly, matrix.readOnly, Float(step.a), into: result)
            }
          }
        }
      }
      swap(&matrix, &next)
    }
  }
}

/// Operations a second of products of two tiles of 64 x 64 in cache, on one thread.
func tileSpeed() throws -> Double {
  let (a, b) = (numbers(64 * 64), numbers(64 * 64))
  var c = a
  let count = 2000
  let time = try a.withUnsafeBufferPointer { a in
    try b.withUnsafeBufferPointer { b in
      try c.withUnsafeMutableBufferPointer { c in
        try seconds {
          for _ in 0..<count {
            try BLAS.gemm(
              1e-6, BLAS.Matrix(a.baseAddress, rows: 64, columns: 64),
              BLAS.Matrix(b.baseAddress, rows: 64, columns: 64),
              1, into: BLAS.MutableMatrix(c.baseAddress, rows: 64, columns: 64))
          }
        }
      }
    }
  }
  return Double(count * 2 * 64 * 64 * 64) / time
}

func shown(_ number: Double, _ digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let scaled = Int((number * scale).rounded())
  guard digits > 0 else { return "\(scaled)" }
  let (whole, rest) = scaled.quotientAndRemainder(dividingBy: Int(scale))
  let text = "\(rest)"
  return "\(whole)." + String(repeating: "0", count: digits - text.count) + text
}

let method = NewtonSchulz.jordan(restarts: [])
let restarted = NewtonSchulz.jordan()
print("kernels \(BLAS.LibraryInfo.current.coreName ?? "unknown"), \(threads) threads, best of \(rounds) rounds")
print("shape      tiles  restarts  plain  plain/tiles  tiles' share of the peak of \(threads) threads")
for (rows, columns) in [(768, 768), (768, 3072), (2048, 2048)] {
  let source = numbers(rows * columns)
  var plain = PlainSteps(rows, columns)
  var best = (tiles: Double.infinity, restarts: Double.infinity, plain: Double.infinity, speed: 0.0)
  var difference = 0.0
  for _ in 0..<rounds {
    func tiles(_ method: NewtonSchulz) throws -> (Double, [Float]) {
      var matrix = source
      let time = try matrix.withUnsafeMutableBufferPointer { matrix in
        try seconds {
          try method.orthogonalize(
            BLAS.MutableMatrix(matrix.baseAddress, rows: rows, columns: columns), threads: threads)
        }
      }
      return (time, matrix)
    }
    let ours = try tiles(method)
    best.tiles = min(best.tiles, ours.0)
    best.restarts = min(best.restarts, try tiles(restarted).0)
    var matrix = source
    best.plain = min(best.plain, try seconds { try plain.run(&matrix, method) })
    best.speed = max(best.speed, try tileSpeed())
    var (squares, sum) = (0.0, 0.0)
    for i in matrix.indices {
      let distance = Double(matrix[i]) - Double(ours.1[i])
      squares += distance * distance
      sum += Double(matrix[i]) * Double(matrix[i])
    }
    difference = (squares / sum).squareRoot()
  }
  // First verified, then told.
  guard difference < 1e-3 else { fatalError("the results differ by \(difference)") }
  let (r, c) = (Double(min(rows, columns)), Double(max(rows, columns)))
  let operations = Double(4 * method.steps.count - 3) * r * r * r + 3 * r * r * c
  let share = operations / best.tiles / best.speed / Double(threads)
  print(
    "\(rows)x\(columns)", shown(best.tiles, 3), shown(best.restarts, 3), shown(best.plain, 3),
    shown(best.plain / best.tiles, 2), "\(shown(100 * share, 0)) % of \(shown(best.speed * 1e-9, 0)) GF/s a thread",
    separator: "  ")
}
