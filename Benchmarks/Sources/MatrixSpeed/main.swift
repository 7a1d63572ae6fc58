// Times Newton-Schulz on matrices of common shapes: this library's, on the Gram matrix in tiles, beside the steps as they are
// written down, three products of whole matrices each, which is what a plain BLAS program does; and beside the speed of a
// product of two tiles in cache, which is the most that either could reach.
//
// Usage: MatrixSpeed [threads] [rounds] [cases]
//   cases   rows x columns, or gpt2 for the 48 matrices of its blocks, with commas between them (default:
//           768x768,768x3072,768x50257,2048x2048,4096x4096,gpt2)
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

/// Matrices whose times are added up: the best time of one of each shape, times their number.
struct Case {
  let name: String
  var shapes: [(rows: Int, columns: Int, count: Int)]

  /// `gpt2`, or rows x columns.
  init?(_ name: Substring) {
    self.name = String(name)
    if name == "gpt2" {
      shapes = [(768, 2304, 12), (768, 768, 12), (768, 3072, 12), (3072, 768, 12)]
      return
    }
    let sides = name.split(separator: "x").compactMap { Int($0) }
    guard sides.count == 2, sides[0] > 0, sides[1] > 0 else { return nil }
    shapes = [(sides[0], sides[1], 1)]
  }
}

/// The best times of one shape, and the best speed of tiles meanwhile.
struct Best {
  var tiles = Double.infinity
  var restarts = Double.infinity
  var plain = Double.infinity
  var speed = 0.0
}

let method = NewtonSchulz.jordan(restarts: [])
let restarted = NewtonSchulz.jordan()

/// Orthogonalises a copy of a matrix.
func tiles(_ source: [Float], _ rows: Int, _ columns: Int, _ method: NewtonSchulz) throws -> (Double, [Float]) {
  var matrix = source
  let time = try matrix.withUnsafeMutableBufferPointer { matrix in
    try seconds {
      try method.orthogonalize(BLAS.MutableMatrix(matrix.baseAddress, rows: rows, columns: columns), threads: threads)
    }
  }
  return (time, matrix)
}

/// The distance of two matrices, relative to the second.
func distance(_ x: [Float], _ y: [Float]) -> Double {
  var (squares, sum) = (0.0, 0.0)
  for i in x.indices {
    let distance = Double(x[i]) - Double(y[i])
    squares += distance * distance
    sum += Double(y[i]) * Double(y[i])
  }
  return (squares / sum).squareRoot()
}

/// Compares the results with those of the plain steps, then times all of them in turns.
func measure(_ rows: Int, _ columns: Int) throws -> Best {
  // Plain steps work on the side that has fewer elements, as the others do by themselves.
  let (r, c) = (min(rows, columns), max(rows, columns))
  let source = numbers(r * c)
  var plain = PlainSteps(r, c)
  var expected = source
  try plain.run(&expected, method)
  for (name, method) in [("tiles", method), ("restarts", restarted)] {
    let apart = distance(try tiles(source, r, c, method).1, expected)
    guard apart < 1e-3 else { fatalError("\(rows)x\(columns): \(name) differ from the plain steps by \(apart)") }
  }
  var best = Best()
  for _ in 0..<rounds {
    best.tiles = min(best.tiles, try tiles(source, rows, columns, method).0)
    best.restarts = min(best.restarts, try tiles(source, rows, columns, restarted).0)
    var matrix = source
    best.plain = min(best.plain, try seconds { try plain.run(&matrix, method) })
    best.speed = max(best.speed, try tileSpeed())
  }
  return best
}

let names = CommandLine.arguments.dropFirst(3).first ?? "768x768,768x3072,768x50257,2048x2048,4096x4096,gpt2"
print("kernels \(BLAS.LibraryInfo.current.coreName ?? "unknown"), \(threads) threads, best of \(rounds) rounds")
print("case      tiles  restarts  plain  plain/restarts  tiles' share of the peak of \(threads) threads")
for name in names.split(separator: ",") {
  guard let test = Case(name) else { fatalError("'\(name)' is neither rows x columns nor gpt2") }
  var (sum, operations) = (Best(), 0.0)
  (sum.tiles, sum.restarts, sum.plain) = (0, 0, 0)
  for shape in test.shapes {
    let (best, count) = (try measure(shape.rows, shape.columns), Double(shape.count))
    sum.tiles += count * best.tiles
    sum.restarts += count * best.restarts
    sum.plain += count * best.plain
    sum.speed = max(sum.speed, best.speed)
    let (r, c) = (Double(min(shape.rows, shape.columns)), Double(max(shape.rows, shape.columns)))
    operations += count * (Double(4 * method.steps.count - 3) * r * r * r + 3 * r * r * c)
  }
  print(
    test.name, shown(sum.tiles, 3), shown(sum.restarts, 3), shown(sum.plain, 3), shown(sum.plain / sum.restarts, 2),
    "\(shown(100 * operations / sum.tiles / sum.speed / Double(threads), 0)) % of \(shown(sum.speed * 1e-9, 0)) GF/s a thread",
    separator: "  ")
}
