import Foundation
import Momentum

/// Measures the same data, and takes steps with it, in ways that must not change a bit.
///
/// The count of elements gives each of 16 threads the least work for which the engine starts a thread.
struct Invariance<Scalar: ReferenceScalar> {
  private let elements: [Scalar]
  /// The norm function under test; a wrong one serves as negative control.
  private let norm: (_ tensors: [UnsafeBufferPointer<Scalar>]) throws -> Double

  static var fullCount: Int { 16 * 32_768 + 77 }

  init(
    count: Int = fullCount,
    norm: @escaping ([UnsafeBufferPointer<Scalar>]) throws -> Double = { try Gradients.norm(of: $0).norm }
  ) {
    elements = [Scalar](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      let all = UnsafeMutableBufferPointer(rebasing: buffer[..<count])
      // Sums of Float tiles of the same size add exactly in plain Double; sums whose sizes are 80 binary orders apart
      // do not.
      for start in stride(from: 0, to: count, by: Tile.count) {
        let tile = UnsafeMutableBufferPointer(rebasing: all[start..<min(start + Tile.count, count)])
        ElementRecipe.normal(exponent: -(start / Tile.count % 40)).fill(tile, first: start, seed: 0x696E_7661_7269_616E)
      }
      initializedCount = count
    }
    self.norm = norm
  }

  /// A row for each way.
  ///
  /// - Throws: The errors of the library.
  var rows: [ReferenceRow] {
    get throws { [try threads(), try alignments(), try order(), try partials()] }
  }

  private func tally(_ operation: String) -> Tally {
    Tally("invariance: \(operation)", Scalar.referenceName, reason: "the same bits")
  }

  private func threads() throws -> ReferenceRow {
    var tally = tally("threads 1...16")
    let expected = try results(threads: 1)
    for threads in 2...16 {
      let found = try results(threads: threads)
      tally.add(equal: found.norms == expected.norms, case: "norms, \(threads) threads")
      let size = expected.parameters.count * Scalar.byteCount
      tally.add(equal: memcmp(found.parameters, expected.parameters, size) == 0, case: "step, \(threads) threads")
    }
    return tally.row
  }

  /// Norms by both algorithms, and parameters after two clipped steps with momentum.
  private func results(threads: Int) throws -> (norms: [UInt64], parameters: [Scalar]) {
    let norms = try elements.withUnsafeBufferPointer { buffer in
      try NormAlgorithm.allCases.map {
        try Gradients.norm(of: buffer, algorithm: $0, threads: threads).norm.bitPattern
      }
    }
    var parameters = [Scalar](repeating: 1, count: elements.count)
    var optimizer = try Optimizer<Scalar>(
      ParameterLayout(count: elements.count), rule: SGD(learningRate: 0.1, momentum: 0.9),
      clipping: .byGlobalNorm(1), threads: threads)
    for _ in 0..<2 {
      var span = parameters.mutableSpan
      try optimizer.step(&span, gradients: elements.span)
    }
    return (norms, parameters)
  }

  /// 64 places of the first element, one element apart.
  private func alignments() throws -> ReferenceRow {
    var tally = tally("64 alignments")
    let count = 4096 + 77
    var memory = try ParameterVector<Scalar>(ParameterLayout(count: count + 64))
    var expected: [UInt64]?
    for shift in 0..<64 {
      let found = try memory.withUnsafeMutableBufferPointer { memory in
        let x = UnsafeMutableBufferPointer(rebasing: memory[shift..<shift + count])
        _ = x.update(fromContentsOf: elements.prefix(count))
        var bits = [try norm([UnsafeBufferPointer(x)]).bitPattern]
        try Gradients.clip([x], by: .byGlobalNorm(1))
        bits += x.map(\.rawBits)
        return bits
      }
      if let expected { tally.add(equal: found == expected, case: "shift \(shift)") } else { expected = found }
    }
    return tally.row
  }

  /// Tensors of uneven sizes, in 32 orders.
  private func order() throws -> ReferenceRow {
    var tally = tally("order of tensors")
    var draws = SplitMix64(seed: 32)
    try elements.withUnsafeBufferPointer { buffer in
      var tensors: [UnsafeBufferPointer<Scalar>] = []
      var start = 0
      while start < buffer.count {
        let end = min(start + Int.random(in: 1...20_000, using: &draws), buffer.count)
        tensors.append(UnsafeBufferPointer(rebasing: buffer[start..<end]))
        start = end
      }
      let expected = try norm(tensors)
      for round in 1...32 {
        tensors.shuffle(using: &draws)
        tally.add(equal: try norm(tensors) == expected, case: "order \(round)")
      }
    }
    return tally.row
  }

  /// Parts split between tiles and merged in any order, by the type and by sums of words.
  private func partials() throws -> ReferenceRow {
    var tally = tally("partials of 2048 k elements")
    var draws = SplitMix64(seed: 2048)
    try elements.withUnsafeBufferPointer { buffer in
      let whole = try NormPartial(of: buffer)
      let norm = try norm([buffer])
      for round in 1...16 {
        var parts: [NormPartial] = []
        var start = 0
        while start < buffer.count {
          let end = min(start + Tile.count * Int.random(in: 1...64, using: &draws), buffer.count)
          parts.append(try NormPartial(of: UnsafeBufferPointer(rebasing: buffer[start..<end])))
          start = end
        }
        parts.shuffle(using: &draws)
        var merged = try NormPartial()
        for part in parts { merged.merge(part) }
        let words = parts.dropFirst().reduce(parts[0].words) { zip($0, $1.words).map { $0 &+ $1 } }
        tally.add(equal: merged == whole && merged.norm == norm, case: "split \(round), merged")
        tally.add(equal: try NormPartial(.l2, words: words) == whole, case: "split \(round), words")
      }
    }
    return tally.row
  }
}

extension Invariance {
  /// The plain sum of the tiles of each tensor in `Double`, one after the other, which depends on their order.
  static func plainSum(_ tensors: [UnsafeBufferPointer<Scalar>]) throws -> Double {
    var sum = 0.0
    for tensor in tensors {
      for start in stride(from: 0, to: tensor.count, by: Tile.count) {
        let norm = try Gradients.norm(
          of: UnsafeBufferPointer(rebasing: tensor[start..<min(start + Tile.count, tensor.count)])
        ).norm
        sum += norm * norm
      }
    }
    return sum.squareRoot()
  }

  /// The row of ``plainSum(_:)``, which must fail.
  static func controlRow() throws -> ReferenceRow { try Invariance(norm: plainSum).order() }
}
