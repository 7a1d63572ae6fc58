import Foundation
import Momentum
import MomentumFiles

/// A program as a user would write it: it takes steps, saves after each, and goes on from what it finds.
///
/// Parameters and state are two files, so one of them has to be the point of commitment: the parameters of step K go to
/// a name of their own first, then the state, which says K, takes the place of the old one.
struct Client {
  let folder: String
  let steps: Int
  /// Whether to save after each step, and not only after the last: saving leaves no trace in a run, so that both end with
  /// the same bytes.
  let savesOften: Bool

  private var statePath: String { "\(folder)/state.safetensors" }
  private func parametersPath(_ step: Int) -> String { "\(folder)/parameters-\(step).safetensors" }

  static let shapes: [(String, [Int])] = [
    ("embedding", [61, 40]), ("hidden.weight", [40, 80]), ("hidden.bias", [80]), ("empty", [0, 3]), ("scale", []),
  ]

  static func makeOptimizer(_ layout: ParameterLayout) throws -> Optimizer<Float> {
    try Optimizer(
      layout,
      rule: Scheduled(
        SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 1e-4, nesterov: true),
        learningRate: .cosine(initial: 0.1, final: 0.01, steps: 1000, restartFactor: 1)),
      clipping: .byGlobalNorm(30), averaging: .exponential(decay: 0.99), lossScale: .dynamic(growthInterval: 50),
      adaptiveLimit: .autoClip(AutoClip(percentile: 60, window: 20)))
  }

  /// The gradient of a step: the same whenever it is asked for.
  private func fill(_ gradient: inout [Float], step: Int) {
    var state = UInt64(step) &* 0xD134_2543_DE82_EF95 &+ 1
    for index in gradient.indices {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      gradient[index] = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
    // Now and then a step that a dynamic loss scale skips.
    if step % 37 == 5 { gradient[step % gradient.count] = .infinity }
  }

  /// Takes steps up to the last, and says on a line of standard output what has been saved, with memory and open files.
  func run() throws {
    let layout = try ParameterLayout(Self.shapes)
    var optimizer = try Self.makeOptimizer(layout)
    var parameters = (0..<layout.count).map { Float($0 % 17) / 16 }
    var call = 0
    if FileManager.default.fileExists(atPath: statePath) {
      try StateFile.load(statePath, into: &optimizer)
      call = try resume(&parameters, layout, step: optimizer.stepCount)
    }
    var gradient = parameters
    while call < steps {
      call += 1
      fill(&gradient, step: call)
      let before = optimizer.stepCount
      var span = parameters.mutableSpan
      try optimizer.step(&span, gradients: gradient.span)
      // A skipped step changes the loss scale only; the calls, which choose the gradients, are in the parameters' file.
      if optimizer.stepCount == before { continue }
      guard savesOften || call == steps else { continue }
      try save(&optimizer, parameters, call: call)
      if before > 0 { try? FileManager.default.removeItem(atPath: parametersPath(before)) }
      say("\(optimizer.stepCount) \(ProcessMemory.current.text)")
    }
  }

  private func save(_ optimizer: inout Optimizer<Float>, _ parameters: [Float], call: Int) throws {
    var writer = SafetensorsWriter(
      path: parametersPath(optimizer.stepCount),
      metadata: ["step": "\(optimizer.stepCount)", "call": "\(call)", "sum": "\(Self.sum(parameters))"])
    try parameters.withUnsafeBufferPointer { all in
      for tensor in optimizer.layout.tensors {
        try writer.add(tensor.name, shape: tensor.shape, values: UnsafeBufferPointer(rebasing: all[tensor.range]))
      }
      try writer.write()
    }
    try StateFile.save(optimizer, to: statePath)
  }

  /// Reads the parameters that belong to a state; returns the number of the call that made them.
  private func resume(_ parameters: inout [Float], _ layout: ParameterLayout, step: Int) throws -> Int {
    let file = try SafetensorsFile(path: parametersPath(step))
    for tensor in layout.tensors where tensor.count > 0 {
      try file.withUnsafeBuffer(of: tensor.name, as: Float.self) { values in
        for (index, value) in zip(tensor.range, values) { parameters[index] = value }
      }
    }
    guard file.metadata["step"] == "\(step)", file.metadata["sum"] == "\(Self.sum(parameters))",
      let call = file.metadata["call"].flatMap({ Int($0) })
    else { throw Failure("\(parametersPath(step)) does not hold what was written") }
    return call
  }

  private static func sum(_ parameters: [Float]) -> UInt64 {
    parameters.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1.bitPattern)) &* 1_099_511_628_211 }
  }

  private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
}
