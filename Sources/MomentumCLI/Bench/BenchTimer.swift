/// Times contenders in turn, so that whatever else the machine does meets all of them alike.
struct BenchTimer {
  var repeats: Int
  /// How long a contender runs at a time: long beside the clock's resolution.
  var batch = Duration.milliseconds(8)

  /// Seconds for one run, one number a repeat.
  struct Times {
    var seconds: [Double] = []

    var best: Double { seconds.min() ?? .nan }
    var median: Double {
      let sorted = seconds.sorted()
      guard !sorted.isEmpty else { return .nan }
      return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
  }

  func time(_ contenders: [any BenchContender]) throws -> [Times] {
    let runs = try contenders.map(calibrate)
    var times = Array(repeating: Times(), count: contenders.count)
    for turn in 0..<repeats {
      // Every other round goes backwards: none always follows the same other.
      for place in contenders.indices {
        let index = turn.isMultiple(of: 2) ? place : contenders.count - 1 - place
        try contenders[index].prepare()
        // Brings what fits into the caches there; of what does not fit one run is as good as the next.
        if runs[index] > 1 { try contenders[index].run() }
        times[index].seconds.append(try measure(contenders[index], runs[index]) / Double(runs[index]))
        contenders[index].settle()
      }
    }
    return times
  }

  /// How many runs fill a batch.
  private func calibrate(_ contender: any BenchContender) throws -> Int {
    try contender.prepare()
    try contender.run()
    var runs = 1
    while true {
      let seconds = try measure(contender, runs)
      let wanted = batch / .seconds(1)
      if seconds > wanted / 8 || runs >= contenderRunLimit / 2 {
        contender.settle()
        return min(max(1, Int(Double(runs) * wanted / seconds)), contenderRunLimit / 2)
      }
      runs *= 2
    }
  }

  private func measure(_ contender: any BenchContender, _ runs: Int) throws -> Double {
    let start = ContinuousClock.now
    try contender.run(times: runs)
    return (ContinuousClock.now - start) / .seconds(1)
  }
}
