/// The one pass of ``StepMode/onePass``: sums and updates tile by tile, as if nothing had to be clipped, until it is known that
/// something must be.
///
/// The tiles are divided into segments, as many for any number of threads. A segment that has summed more than the limit's
/// square proves that the whole has, and updates no further tile. What has been updated when the pass ends depends
/// on the gradient and the segments alone.
final class SpeculativePass {
  /// The most segments; few enough that their ends cost nothing, enough for as many threads.
  private static let mostSegments = 64

  /// Where segments begin, in the concatenation of all tensors, and where the last one ends: at tiles.
  private var bounds: [Int] = []
  /// How far each segment was updated.
  private var updated: [Int] = []

  /// Sums all tiles into the table, and runs programs on those that come before their segment's sum exceeds the limit.
  func run<Scalar>(
    _ table: TensorTable<Scalar>, _ programs: [StepProgram], largestSum: Double, algorithm: NormAlgorithm,
    ignoresNonFinite: Bool, _ team: ThreadTeam
  ) {
    if bounds.isEmpty { bounds = Self.bounds(table) }
    updated = Array(bounds.dropLast())
    let measure: TileMeasure = algorithm == .blas ? .squares : .portableSquares
    forEachThread(table, team) { segments, scratch, updated in
      for segment in segments {
        updated.value[segment] = Self.run(
          table, self.bounds[segment]..<self.bounds[segment + 1], programs, largestSum, measure, ignoresNonFinite,
          scratch)
      }
    }
  }

  /// Runs one kind of program on what was updated and another on the rest.
  func finish<Scalar>(
    _ table: TensorTable<Scalar>, updated corrections: [StepProgram]?, rest programs: [StepProgram], _ team: ThreadTeam
  ) {
    forEachThread(table, team) { segments, scratch, updated in
      for segment in segments {
        let middle = updated.value[segment]
        if let corrections {
          corrections.withUnsafeBufferPointer {
            TensorTable.update(table, self.bounds[segment]..<middle, $0, scratch)
          }
        }
        programs.withUnsafeBufferPointer {
          TensorTable.update(table, middle..<self.bounds[segment + 1], $0, scratch)
        }
      }
    }
  }

  /// Whether the pass updated every tile.
  var updatedAll: Bool { zip(updated, bounds.dropFirst()).allSatisfy(==) }

  private func forEachThread<Scalar>(
    _ table: TensorTable<Scalar>, _ team: ThreadTeam,
    _ body: (Range<Int>, ThreadScratch<Scalar>, UnsafeTransfer<UnsafeMutablePointer<Int>>) -> Void
  ) {
    let (segments, scratch) = (bounds.count - 1, table.scratch(threads: team.mostCount))
    updated.withUnsafeMutableBufferPointer { updated in
      guard let base = updated.baseAddress else { return }
      withoutActuallyEscaping(body) { body in
        let work = UnsafeTransfer((body, base, scratch))
        team.run { thread in
          let (body, updated, scratch) = work.value
          body(
            segments * thread / team.count..<segments * (thread + 1) / team.count,
            ThreadScratch(scratch, thread: thread), UnsafeTransfer(updated))
        }
      }
    }
  }

  /// One segment.
  ///
  /// - Returns: How far it was updated.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func run<Scalar: BLASScalar>(
    _ table: TensorTable<Scalar>, _ segment: Range<Int>, _ programs: [StepProgram], _ largestSum: Double,
    _ measure: TileMeasure, _ ignoresNonFinite: Bool, _ scratch: ThreadScratch<Scalar>
  ) -> Int {
    var runner = TileRunner<Scalar>(scratch)
    var (loaded, sum, updated, isUpdating) = (-1, 0.0, segment.lowerBound, true)
    table.forEach(in: segment) { entry, part in
      guard let gradient = entry.gradient else { return }
      if loaded != entry.program {
        programs.withUnsafeBufferPointer {
          runner.program.load($0.baseAddress! + entry.program, cacheBytes: table.cacheBytes)
        }
        loaded = entry.program
      }
      for start in stride(from: part.lowerBound, to: part.upperBound, by: tileCount) {
        let n = min(tileCount, part.upperBound - start)
        let tile = TileSum.measure(gradient + start, n, measure)
        table.sums[entry.firstTile + start / tileCount] = tile
        guard isUpdating else { continue }
        sum += ScaledDouble(tile.value, exponent: Int(tile.exponent)).double
        // Written so that NaN fails it.
        isUpdating = sum <= largestSum && (ignoresNonFinite || (tile.nan == 0 && tile.infinity == 0))
        guard isUpdating else { continue }
        runner.execute(TileRunner<Scalar>.Operands(entry, at: start), n)
        updated = entry.offset + start + n
      }
    }
    return updated
  }

  /// Divides the concatenation at tile boundaries into segments of about equal length.
  private static func bounds<Scalar>(_ table: TensorTable<Scalar>) -> [Int] {
    let segments = max(1, min(mostSegments, table.tiles / 4))
    var bounds = (0..<segments).map { table.tileStart(atOrAfter: table.count / segments * $0) }
    bounds.append(table.count)
    return bounds
  }
}

extension TensorTable {
  /// The first tile that starts at a position of the concatenation or behind it.
  func tileStart(atOrAfter position: Int) -> Int {
    for entry in entries where entry.offset + entry.count > position {
      let inside = max(0, position - entry.offset)
      return entry.offset + min(entry.count, (inside + tileCount - 1) / tileCount * tileCount)
    }
    return count
  }
}
