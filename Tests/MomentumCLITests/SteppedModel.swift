import Momentum
import MomentumFiles
import MomentumTestSupport

/// Parameters of F32 in three shards, integers beside them, and gradients of several types, of all but one of them.
struct SteppedModel {
  static let rule = ["--learning-rate", "0.1", "--momentum", "0.9", "--weight-decay", "0.01"]
  static let clips = ["--clip-value", "2", "--clip-norm", "60", "--clip-global-norm", "12.5"]

  var parameters: [[StoredTensor]]
  var gradients: [StoredTensor]

  init() {
    var random = SeededGenerator(seed: 17)
    func numbers(_ count: Int) -> [Float] { random.numbers(count) }
    parameters = [
      [StoredTensor("a", numbers(3000)), StoredTensor("ids", .i64, Array(0..<64))],
      [StoredTensor("b", numbers(2000)), StoredTensor("left", numbers(10))],
      [StoredTensor("c", numbers(1000)), StoredTensor("mask", .bool, [1, 0, 1])],
    ]
    gradients = [
      StoredTensor("a", numbers(3000).map { BFloat16(4 * $0) }), StoredTensor("b", numbers(2000)),
      StoredTensor("c", numbers(1000).map { BFloat16($0) }), StoredTensor("steps", .i64, Array(0..<8)),
    ]
  }

  /// Writes the parameters as shards, `model`, and as one file, `whole`; the gradients as one file, `g`, and in other files
  /// than the parameters, `grads`.
  func write(in folder: CheckpointFolder) throws {
    try folder.write("model", shards: parameters)
    try folder.write("whole", Array(parameters.joined()))
    try folder.write("g", gradients)
    try folder.write("grads", shards: [[gradients[2], gradients[0]], [gradients[1], gradients[3]]])
  }
}

extension CheckpointFolder {
  /// Runs `momentum step` on some parameters.
  func step(_ from: String, _ to: String, _ others: [String]) throws -> CommandRun {
    try run(["step", "--parameters", from, "--output-parameters", to] + others)
  }
}
