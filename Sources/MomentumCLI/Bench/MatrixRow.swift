import Momentum

/// One line of a benchmark of matrices: a step of Muon.
struct MatrixRow: Encodable {
  let name: String
  /// Rows and columns, or the model whose matrices these are.
  let matrices: String
  let tensorCount: Int
  let count: Int
  let scalar: String
  /// The most threads that were allowed.
  let threads: Int
  let repeats: Int
  /// The largest singular value by the smallest, if a number was asked for.
  let condition: Double?
  /// How often Gram matrices were computed anew, of all matrices.
  let restarts: Int
  /// Additions and multiplications of the engine's products.
  let operations: Double
  let secondsMin: Double
  let secondsMedian: Double
  let gigaflops: Double
  /// The same operations as products of two tiles in cache, on as many threads.
  let limitSecondsMin: Double
  let limitSecondsMedian: Double
  let limitGigaflops: Double
  /// The limit's time by ours, best of each: our share of the peak.
  let limitRatio: Double
  /// The speed of one product of large matrices, with the threads of the BLAS.
  let largeGigaflops: Double
  let plain: String
  let plainSecondsMin: Double
  let plainSecondsMedian: Double
  let plainRatio: Double
  /// What is wrong with the result of the plain calls; left out if nothing is.
  let plainFault: String?
  /// A step along polar factors by LAPACK, if asked for.
  let polarSecondsMin: Double?
  let polarSecondsMedian: Double?
  let polarRatio: Double?

  init<Scalar: LimitScalar>(
    _ matrices: MatrixCase, _ memory: BenchMemory<Scalar>, _ contest: MatrixContest, _ timer: BenchTimer
  ) throws {
    let times = try timer.time(
      [contest.engine, contest.tiles, contest.large, contest.plain] + (contest.polar.map { [$0] } ?? []))
    let polar = contest.polar == nil ? nil : times[4]
    name = Self.name
    self.matrices = matrices.name
    tensorCount = matrices.shapes.count
    count = memory.count
    scalar = "\(Scalar.self)".lowercased()
    threads = memory.threads
    repeats = timer.repeats
    condition = contest.condition
    restarts = contest.restarts.reduce(0, +)
    operations = matrices.operationCount(try MatrixStep().method, restarts: contest.restarts)
    (secondsMin, secondsMedian) = (times[0].best, times[0].median)
    gigaflops = operations / times[0].best * 1e-9
    // The tiles do a whole number of products.
    let share = operations / contest.tileOperations
    (limitSecondsMin, limitSecondsMedian) = (times[1].best * share, times[1].median * share)
    limitGigaflops = contest.tileOperations / times[1].best * 1e-9
    limitRatio = limitSecondsMin / secondsMin
    largeGigaflops = LargeProduct<Scalar>.operations / times[2].best * 1e-9
    plain = "products of whole matrices"
    (plainSecondsMin, plainSecondsMedian) = (times[3].best, times[3].median)
    plainRatio = times[3].best / times[0].best
    plainFault = contest.plainFault
    (polarSecondsMin, polarSecondsMedian) = (polar?.best, polar?.median)
    polarRatio = polar.map { $0.best / times[0].best }
  }

  static let name = "step of Muon (five steps of Newton-Schulz)"

  // MARK: CSV

  static let csvHeader = """
    matrices,tensor_count,count,scalar,threads,repeats,condition,restarts,operations,seconds_min,seconds_median,gigaflops,limit_seconds_min,\
    limit_seconds_median,limit_gigaflops,limit_ratio,large_gigaflops,plain_seconds_min,plain_seconds_median,plain_ratio,\
    polar_seconds_min,polar_seconds_median,polar_ratio
    """

  var csv: String {
    let numbers: [Double?] = [
      condition, Double(restarts), operations, secondsMin, secondsMedian, gigaflops, limitSecondsMin,
      limitSecondsMedian, limitGigaflops, limitRatio,
      largeGigaflops, plainSecondsMin, plainSecondsMedian, plainRatio, polarSecondsMin, polarSecondsMedian, polarRatio,
    ]
    let fields = [matrices, "\(tensorCount)", "\(count)", scalar, "\(threads)", "\(repeats)"]
    return (fields + numbers.map { $0.map { "\($0)" } ?? "" }).joined(separator: ",")
  }
}
