internal import CMomentumKernels

extension BLAS.Behavior {
  /// The vectors of the loop by which norms sum the squares of several tiles of `Float`s at a time, such as `AVX2`; `nil`
  /// where they call dot for each tile.
  ///
  /// The kernels of dot add to four vectors and wait for each addition; a loop that goes through several tiles side by
  /// side does not. It is used where a probe finds that it gives the bits of this library's dot.
  public var floatNormLoop: String? { Self.vectors(floatSquaresVariant, Float.self) }
  /// The same of `Double`s.
  public var doubleNormLoop: String? { Self.vectors(doubleSquaresVariant, Double.self) }

  private static func vectors<S: BLASScalar>(_ variant: Int32?, _: S.Type) -> String? {
    variant.flatMap { S._squaresVariant($0).vectorName }.map { String(cString: $0) }
  }

  /// Finds the widest loop that sums squares with the bits of dot.
  ///
  /// It has to agree in every tile for all lengths that fill no tile, as far as kernels are unrolled, for some that
  /// fill one tile, two and so on, from any alignment; on numbers whose every bit counts, on numbers from subnormal ones to those whose
  /// squares overflow, and on numbers of one sign and size, whose sums all round alike.
  static func squaresVariant<S: BLASScalar>(_: S.Type) -> Int32? {
    var count: Int32 = 0
    while S._squaresVariant(count).vectorName != nil { count += 1 }
    return (0..<count).last { variant in
      sumsAgree(S.self, tiles: S._squaresVariant(variant).most) {
        S._sumSquares(variant, $0, $1, fetchingNext: false, into: $2)
      }
    }
  }

  /// Whether sums of squares by a loop have the bits of dot.
  ///
  /// - Parameter tiles: The most tiles that the loop takes.
  static func sumsAgree<S: BLASScalar>(
    _: S.Type, tiles: Int, _ sumSquares: (UnsafePointer<S>, Int, UnsafeMutablePointer<S>) -> Void
  ) -> Bool {
    let (tile, most, shifts) = (Tile.count, tiles * Tile.count, 64 / MemoryLayout<S>.stride)
    var lengths = Array(1...132) + [tile - 129, tile - 65, tile - 64, tile - 17]
    for last in 1...tiles {
      for difference in [-321, -1, 0, 1, 15, 31, 33, 97, 500] where last * tile + difference <= most {
        lengths.append(last * tile + difference)
      }
    }
    return withMemory(S.self, most + shifts) { x in
      withMemory(S.self, tiles) { sums in
        for data in 0..<3 {
          for i in 0..<most + shifts { x[i] = element(data, i) }
          for (number, length) in lengths.enumerated() {
            let start = UnsafePointer(x) + number % shifts
            sumSquares(start, length, sums)
            for (index, first) in stride(from: 0, to: length, by: tile).enumerated() {
              let dot = S._dot(Int32(min(tile, length - first)), start + first, 1, start + first, 1)
              // Which NaN comes out does not matter: the tile is then summed in another way.
              guard sums[index] == dot || sums[index].isNaN && dot.isNaN else { return false }
            }
          }
        }
        return true
      }
    }
  }

  /// An element of a data set for ``sumsAgree(_:tiles:_:)``.
  private static func element<S: BLASScalar>(_ data: Int, _ index: Int) -> S {
    let fraction: S = fraction(index + 1)
    switch data {
    case 0: return fraction - 0.5
    case 1: return 0.75 + fraction / 1024
    default:
      if index % 13 == 0 { return S.leastNonzeroMagnitude * 77 }
      // The square of one number is infinite; only the third tile has it.
      let exponent = index == 5000 ? S.greatestFiniteMagnitude.exponent : index * 7 % 61 - 30
      return S(sign: .plus, exponent: exponent, significand: 1) * (fraction - 0.5)
    }
  }
}
