import Foundation
import Momentum

/// One line of the benchmark.
struct BenchRow: Encodable {
  let name: String
  let operation: String
  /// `SGD` or `AdamW`, whose first decay is `momentum`; left out in rows that are no steps.
  let rule: String?
  let clip: String
  let momentum: Double
  let nesterov: Bool
  let weightDecay: Double
  let onePass: Bool
  /// Whether norms were measured for the report where no limit needs them.
  let reportsNorms: Bool
  /// What is kept in half precision; left out if nothing is.
  let storage: String?
  /// Whether the engine's step ran as fused loops or as calls of BLAS; of other rows, whether its norm did.
  let kernels: String?
  /// `vector`, or the model whose tensors these are.
  let tensors: String
  let tensorCount: Int
  let count: Int
  let scalar: String
  /// The most threads that were allowed; small vectors use fewer.
  let threads: Int
  let threadsUsed: Int
  let repeats: Int
  /// By the account of the program that ran.
  let bytes: Int
  let secondsMin: Double
  let secondsMedian: Double
  let limitSecondsMin: Double
  let limitSecondsMedian: Double
  /// The limit's time by ours, best of each: 1 is at the limit.
  let limitRatio: Double
  let plain: String?
  let plainSecondsMin: Double?
  let plainSecondsMedian: Double?
  /// The plain calls' time by ours, best of each: how many times as fast we are.
  let plainRatio: Double?
  /// What is wrong with the result of the plain calls; left out if nothing is.
  let plainFault: String?
  /// The step of `Float`s beside one in half precision; left out in other rows.
  let wideSecondsMin: Double?
  let wideSecondsMedian: Double?
  /// The time of the step of `Float`s by ours, best of each.
  let wideRatio: Double?

  /// - Parameter times: Of the engine, the limit, the plain calls and the step of `Float`s, as far as there are any.
  init<Scalar>(
    _ operation: BenchOperation, _ size: BenchSize, _ memory: BenchMemory<Scalar>, _ contest: BenchContest,
    _ times: [BenchTimer.Times]
  ) {
    let plainTimes = contest.plain == nil ? nil : times[2]
    let wideTimes = contest.wide == nil ? nil : times.last
    name = operation.name
    self.operation = "\(operation.kind)"
    rule = operation.kind != .step ? nil : operation.isAdamW ? "AdamW" : "SGD"
    clip = operation.clip.rawValue
    momentum = operation.momentum
    nesterov = operation.nesterov
    weightDecay = operation.weightDecay
    onePass = operation.onePass
    reportsNorms = operation.reportsNorms
    storage = operation.storage?.rawValue
    kernels = contest.engine.kernels?.rawValue
    tensors = size.name
    tensorCount = memory.layout.tensors.count
    count = memory.count
    scalar = "\(Scalar.self)".lowercased()
    threads = memory.threads
    threadsUsed = memory.team.count
    repeats = times[0].seconds.count
    bytes = contest.bytes
    (secondsMin, secondsMedian) = (times[0].best, times[0].median)
    (limitSecondsMin, limitSecondsMedian) = (times[1].best, times[1].median)
    limitRatio = times[1].best / times[0].best
    plain = contest.plain?.name
    (plainSecondsMin, plainSecondsMedian) = (plainTimes?.best, plainTimes?.median)
    plainFault = contest.plainFault
    plainRatio = plainTimes.map { $0.best / times[0].best }
    (wideSecondsMin, wideSecondsMedian) = (wideTimes?.best, wideTimes?.median)
    wideRatio = wideTimes.map { $0.best / times[0].best }
  }

  /// Bytes moved in a nanosecond, by the best time.
  var gigabytesPerSecond: Double { Double(bytes) / secondsMin * 1e-9 }

  // MARK: CSV

  static let csvHeader = """
    name,operation,clip,momentum,nesterov,weight_decay,one_pass,tensors,tensor_count,count,scalar,threads,threads_used,repeats,\
    bytes,seconds_min,seconds_median,limit_seconds_min,limit_seconds_median,limit_ratio,plain,plain_seconds_min,\
    plain_seconds_median,plain_ratio,storage,wide_seconds_min,wide_seconds_median,wide_ratio,kernels,reports_norms,rule
    """

  var csv: String {
    let fields: [String] = [
      Self.quoted(name), operation, clip, "\(momentum)", "\(nesterov)", "\(weightDecay)", "\(onePass)", tensors,
      "\(tensorCount)",
      "\(count)", scalar, "\(threads)", "\(threadsUsed)", "\(repeats)", "\(bytes)", "\(secondsMin)",
      "\(secondsMedian)", "\(limitSecondsMin)", "\(limitSecondsMedian)", "\(limitRatio)", plain ?? "",
    ]
    func texts(_ numbers: [Double?]) -> [String] { numbers.map { $0.map { "\($0)" } ?? "" } }
    return
      (fields + texts([plainSecondsMin, plainSecondsMedian, plainRatio]) + [storage ?? ""]
      + texts([wideSecondsMin, wideSecondsMedian, wideRatio]) + [kernels ?? "", "\(reportsNorms)", rule ?? ""]).joined(
        separator: ",")
  }

  /// A name with commas is one field.
  private static func quoted(_ text: String) -> String { "\"" + text.replacing("\"", with: "\"\"") + "\"" }
}
