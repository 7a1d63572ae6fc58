import Momentum

/// One step from a state, with gradients in half precision, and parameters in one of the forms.
struct HalfStep {
  enum Form: String, CaseIterable {
    case floats, copied, split, nearest, stochastic
  }

  static let features = Form.allCases.map { "half \($0)" } + ["half refused", "half velocity", "half saturates"]

  /// What a step left, in the order of the scenario's layout.
  struct Outcome {
    var snapshot: Snapshot<Float>
    /// The report, or the error in words.
    var result: Result<StepReport, MomentumError>
  }

  private let layout: ParameterLayout
  private let settings: Settings
  private let state: OptimizerState<Float>
  private let gradient: HalfGradient
  private let seed: UInt64
  /// What becomes of parameters, and copies of them, that exceed their type.
  let overflow: OverflowPolicy
  private let kernels: StepKernels
  /// Whether a step of `Float`s measures norms as that of gradients in half precision does.
  private let hasPlainStep: Bool

  init(
    layout: ParameterLayout, settings: Settings, state: OptimizerState<Float>, gradient: HalfGradient, seed: UInt64
  ) {
    (self.layout, self.state, self.gradient, self.seed) = (layout, state, gradient, seed)
    var ways = Random(seed: seed)
    overflow = ways.chance(0.4) ? .saturate : .infinity
    kernels = ways.chance(0.7) ? .fused : .automatic
    var portable = settings
    portable.clip.algorithm = .portable
    for index in settings.groups.indices { portable.groups[index].clip?.algorithm = .portable }
    // Clips of units have one algorithm, for Floats too.
    hasPlainStep = (try? portable.makeOptimizer(layout, threads: 1) as Optimizer<Float>) != nil
    self.settings = hasPlainStep ? portable : settings
  }

  /// The step of `Float`s that the others are compared with.
  func reference(_ start: [Float], _ random: inout Random) throws -> Outcome {
    guard hasPlainStep else { return try take(.floats, start, &random) }
    var optimizer: Optimizer<Float> = try settings.makeOptimizer(layout, threads: 1, kernels: .blas)
    try optimizer.restore(state)
    var parameters = start
    let result = Result { () throws(MomentumError) in
      try parameters.withUnsafeMutableBufferPointer { parameters throws(MomentumError) in
        try gradient.wide.withUnsafeBufferPointer { gradients throws(MomentumError) in
          try optimizer.step(
            parameters: parameters.tensors(of: layout),
            gradients: zip(layout.tensors, gradient.isMissing).map { tensor, isMissing in
              isMissing ? nil : UnsafeBufferPointer(rebasing: gradients[tensor.range])
            })
        }
      }
    }
    let after = Snapshot(parameters: parameters, state: optimizer.state(), lossScale: optimizer.lossScale)
    return Outcome(snapshot: after, result: result)
  }

  /// The step in a form, with the tensors in any order, at odd addresses, by some threads.
  func take(_ form: Form, _ start: [Float], _ random: inout Random) throws -> Outcome {
    // In one pass the order decides where segments end.
    let indices = Array(layout.tensors.indices)
    let order = settings.mode == .onePass ? indices : indices.shuffled(using: &random)
    let permuted = try ParameterLayout(order.map { (layout.tensors[$0].name, layout.tensors[$0].shape) })
    var optimizer: Optimizer<Float> = try settings.makeOptimizer(
      permuted, threads: random.within(1...3), kernels: kernels)
    optimizer.overflowPolicy = overflow
    try optimizer.restore(state.migrated(to: permuted).state)
    let memory = HalfMemory(start, form, shift: random.below(9), rounded)
    let result = Result { () throws(MomentumError) in
      try optimizer.step(
        parameters: order.map { memory.buffer(layout.tensors[$0].range, form, seed) },
        gradients: gradient.buffers(order))
    }
    if form == .copied { try memory.checkCopy() }
    let after = try Snapshot(
      parameters: memory.parameters(form), state: optimizer.state().migrated(to: layout).state,
      lossScale: optimizer.lossScale)
    return Outcome(snapshot: after, result: result)
  }
}

extension HalfStep {
  /// The nearest number of half precision; the largest one in place of an infinity, if steps are to store that.
  func rounded(_ element: Float) -> Float {
    let nearest = Float(BFloat16(element))
    guard overflow == .saturate, nearest.isInfinite, element.isFinite else { return nearest }
    return Float(sign: element.sign, exponent: 127, significand: 1.9921875)
  }
}

/// Parameters in each form.
private final class HalfMemory {
  private let floats: FlatMemory<Float>
  private let halves: UnsafeMutableBufferPointer<BFloat16>
  private let remainders: UnsafeMutableBufferPointer<Int16>

  private let rounded: (Float) -> Float

  init(_ start: [Float], _ form: HalfStep.Form, shift: Int, _ rounded: @escaping (Float) -> Float) {
    self.rounded = rounded
    floats = FlatMemory(start.count, shift: shift)
    _ = floats.buffer.update(fromContentsOf: start)
    (halves, remainders) = (.allocate(capacity: start.count), .allocate(capacity: start.count))
    for (index, element) in start.enumerated() {
      guard form == .split else {
        halves.initializeElement(at: index, to: BFloat16(rounded(element)))
        remainders.initializeElement(at: index, to: 0)
        continue
      }
      // The bits rounded away from zero, and what they lack; of a NaN the quiet one.
      let bits = element.isNaN ? 0x7fc0_0000 : element.bitPattern
      let half = UInt16(truncatingIfNeeded: (bits &+ 0x8000) >> 16)
      halves.initializeElement(at: index, to: BFloat16(bitPattern: half))
      remainders.initializeElement(at: index, to: Int16(truncatingIfNeeded: bits))
    }
  }

  deinit {
    halves.deallocate()
    remainders.deallocate()
  }

  func buffer(_ range: Range<Int>, _ form: HalfStep.Form, _ seed: UInt64) -> ParameterBuffer {
    let (floats, halves) = (
      UnsafeMutableBufferPointer(rebasing: floats.buffer[range]), UnsafeMutableBufferPointer(rebasing: halves[range])
    )
    switch form {
    case .floats: return ParameterBuffer(floats)
    case .copied: return ParameterBuffer(floats, copy: halves)
    case .split: return ParameterBuffer(halves, remainders: UnsafeMutableBufferPointer(rebasing: remainders[range]))
    case .nearest: return ParameterBuffer(halves, rounding: .nearest)
    case .stochastic: return ParameterBuffer(halves, rounding: .stochastic(seed: seed))
    }
  }

  func parameters(_ form: HalfStep.Form) -> [Float] {
    switch form {
    case .floats, .copied: Array(floats.buffer)
    case .nearest, .stochastic: halves.map { Float($0) }
    case .split:
      zip(halves, remainders).map {
        Float(bitPattern: UInt32($0.bitPattern) << 16 &+ UInt32(bitPattern: Int32($1)))
      }
    }
  }

  /// A copy is the master, rounded; also where a step wrote neither.
  func checkCopy() throws {
    for (index, master) in floats.buffer.enumerated() {
      let (expected, found) = (rounded(master), Float(halves[index]))
      guard !Bits.areSame(expected, found) else { continue }
      throw Difference("copy against master", index: index, expected: expected, found: found)
    }
  }
}
