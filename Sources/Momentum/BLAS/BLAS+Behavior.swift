internal import CMomentumLoadedBLAS

extension BLAS {
  /// What the loaded BLAS does where libraries and kernels differ, as far as results or speed of the engine depend on
  /// it. Found by probes at the first use, in less than a millisecond.
  public struct Behavior: Sendable, Hashable {
    /// How `y + a·x` is rounded.
    public enum Rounding: String, Sendable, Hashable, Codable {
      /// Once, by fused multiply-add.
      case fused
      /// Twice: the product, then the sum.
      case separate
      /// One way for some elements of a call and the other for others, so that an element's bits depend on its place.
      case mixed
    }

    /// The width in bits of the integers that count elements. The library is refused unless it is 32
    /// (``MomentumError/unsuitableBLAS(library:reason:)``).
    public let integerWidth: Int
    /// Whether the bits of a dot product depend on where its vectors lie. If so, the engine copies tiles that do not
    /// begin on a cache line before it sums them, which costs time.
    ///
    /// Kernels for AVX2 and later load without regard to alignment. Older ones first add single elements until the
    /// address is aligned, which changes the order of addition.
    public let dotDependsOnAlignment: Bool
    /// How axpy rounds the elements of calls that the engine makes. If ``Rounding/mixed``, the engine runs a loop of
    /// its own instead, which costs time.
    public let axpyRounding: Rounding
    /// Whether routines that rearrange matrices (level 2 and 3 of BLAS, LAPACK) may give wrong numbers when two threads call
    /// them at the same time: true of an OpenBLAS without threads, which does not lock its work buffers unless it was built
    /// to, and does not say. Calls by this library then wait for each other; those of your own threads must not meet them.
    public let sharesWorkBuffers: Bool
    /// The variants of the loops that sum squares of tiles with the bits of this library's dot; `nil` where none does.
    var floatSquaresVariant, doubleSquaresVariant: Int32?
    /// The largest relative error of the sums of squares of some ``Tile``s, in units of half of `ulpOfOne`.
    public let floatSumError: Double
    /// The same of `Double`s.
    public let doubleSumError: Double

    /// The error of a sum from which on it costs digits of a norm. Kernels that add on eight lanes or more stay below.
    static var doubtfulSumError: Double { 64 }

    /// The facts that cost speed or digits, each a sentence for a person; empty if there are none.
    public var warnings: [String] {
      var warnings: [String] = []
      if integerWidth != 32 { warnings.append("counts with \(integerWidth)-bit integers and is refused") }
      if dotDependsOnAlignment {
        warnings.append("the bits of its dot depend on alignment, so tiles that are not aligned are copied first")
      }
      if axpyRounding == .mixed {
        warnings.append("its axpy rounds elements in two ways, so steps use slower loops instead")
      }
      if sharesWorkBuffers {
        warnings.append("it was built without threads, so products of matrices are computed one at a time")
      }
      for (scalar, error) in [("Float", floatSumError), ("Double", doubleSumError)] where error > Self.doubtfulSumError
      {
        warnings.append(
          "its dot of \(Tile.count) \(scalar)s is off by \(Int(error.rounded())) units of the last place, so norms lose digits"
        )
      }
      return warnings
    }
  }
}

// MARK: - Probes

extension BLAS.Behavior {
  /// Runs all probes.
  static func probe() -> BLAS.Behavior {
    let call = EngineCall.begin()
    defer { call.end() }
    // The others would read memory that is not theirs.
    let width = Int(momentum_blas_integer_bits())
    guard width == 32 else {
      return BLAS.Behavior(
        integerWidth: width, dotDependsOnAlignment: false, axpyRounding: .separate, sharesWorkBuffers: false,
        floatSumError: 0, doubleSumError: 0)
    }
    let (float, double) = (axpyRounding(Float.self), axpyRounding(Double.self))
    let dotVaries = dotBitsVary(Float.self) || dotBitsVary(Double.self)
    return BLAS.Behavior(
      integerWidth: width, dotDependsOnAlignment: dotVaries,
      axpyRounding: float == double ? float : .mixed, sharesWorkBuffers: momentum_blas_shares_buffers() != 0,
      floatSquaresVariant: dotVaries ? nil : squaresVariant(Float.self),
      doubleSquaresVariant: dotVaries ? nil : squaresVariant(Double.self),
      floatSumError: sumError(Float.self), doubleSumError: sumError(Double.self))
  }

  /// Fractions of a golden-ratio sequence, which use all digits of a `Double`: with fewer digits the sums of squares
  /// would be exact, and so the same in every order.
  static func fraction<S: BLASScalar>(_ index: Int) -> S {
    S((UInt64(index) &* 0x9e37_79b9_7f4a_7c15) >> 11) * 0x1p-53
  }

  /// Lends memory for some elements, at the beginning of a cache line.
  static func withMemory<S, R>(_: S.Type, _ count: Int, _ body: (UnsafeMutablePointer<S>) -> R) -> R {
    withUnsafeTemporaryAllocation(byteCount: count * MemoryLayout<S>.stride, alignment: 64) {
      body($0.bindMemory(to: S.self).baseAddress!)
    }
  }

  static func dotBitsVary<S: BLASScalar>(_: S.Type) -> Bool {
    let (count, shifts) = (487, 64 / MemoryLayout<S>.stride)
    return withMemory(S.self, 2 * count + shifts + 64) { memory in
      let values = memory + (count + shifts + 63) & -64
      // Two orders of addition may round to the same sum for a few data sets; that this happens for all eight is all
      // but impossible.
      for round in 0..<8 {
        for i in 0..<count { values[i] = fraction(round * count + i) }
        var first: S?
        for shift in 0..<shifts {
          (memory + shift).update(from: values, count: count)
          let sum = S._dot(Int32(count), memory + shift, 1, memory + shift, 1)
          if first == nil { first = sum } else if first != sum { return true }
        }
      }
      return false
    }
  }

  /// Calls axpy with factor, x and y such that fused multiply-add gives one number and two roundings give 0, for every
  /// element the same: with e for `ulpOfOne`, (1 + 2e)² - (1 + 4e) is 4e² exactly. The lengths are those of a granule,
  /// of a tile and some between them, since kernels are unrolled at most that far.
  static func axpyRounding<S: BLASScalar>(_: S.Type) -> Rounding {
    let (most, shifts, factor) = (Tile.count, 64 / MemoryLayout<S>.stride, 1 + 2 * S.ulpOfOne)
    let room = most + 2 * shifts
    return withMemory(S.self, 3 * room) { memory in
      let (x, y, start) = (memory, memory + room, memory + 2 * room)
      x.initialize(repeating: factor, count: room)
      start.initialize(repeating: -(factor * factor), count: room)
      var first: S?
      for count in [64, 128, 192, 256, 448, 960, 1984, 2048] where count <= most {
        for shift in 0..<shifts {
          for (xShift, yShift) in [(shift, shift), (shift, 0), (0, shift), (shift, shift + 1)] {
            let result = y + yShift
            result.update(from: start, count: count)
            S._axpy(Int32(count), factor, x + xShift, 1, result, 1)
            if first == nil { first = result[0] }
            let bytes = UnsafeRawBufferPointer(UnsafeBufferPointer(start: result, count: count))
              .bindMemory(to: UInt8.self)
            let others = bytes.count - MemoryLayout<S>.stride
            guard result[0] == first,
              Platform.areSame(.init(rebasing: bytes.prefix(others)), .init(rebasing: bytes.suffix(others)))
            else { return .mixed }
          }
        }
      }
      return first == 0 ? .separate : .fused
    }
  }

  /// Equal elements are the worst: while a partial sum lies between two powers of two, all roundings go one way. And
  /// their exact sum is cheap: two products, times a power of two.
  static func sumError<S: BLASScalar>(_: S.Type) -> Double {
    withMemory(S.self, Tile.count) { values in
      func relativeError(_ high: Double, _ low: Double) -> Double {
        let found = Double(S._dot(Int32(Tile.count), values, 1, values, 1))
        return ((found - high) - low).magnitude / high
      }
      var exact = ExactSum()
      for i in 0..<Tile.count {
        values[i] = fraction(i)
        exact.addSquare(Double(values[i]))
      }
      let (high, low) = exact.split()
      var worst = relativeError(high.double, low.double)
      for repeated in [0.7, 0.3, 1 / 3.0, 0.9] {
        values.update(repeating: S(repeated), count: Tile.count)
        let value = Double(values[0])
        let square = value * value
        let count = Double(Tile.count)
        worst = max(worst, relativeError(count * square, count * (-square).addingProduct(value, value)))
      }
      return worst / (Double(S.ulpOfOne) / 2)
    }
  }
}
