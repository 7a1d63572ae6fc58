import Momentum

/// How a run keeps its gradients in half precision.
struct StoredGradients: Hashable, Codable, Sendable {
  enum ElementType: String, CaseIterable, Codable, Sendable {
    case bf16, f16

    /// Whether Swift has it here.
    var exists: Bool {
      #if os(macOS) && arch(x86_64)
        self == .bf16
      #else
        true
      #endif
    }
  }

  var type: ElementType
  /// What gradients are multiplied by before they are rounded.
  var lossScale: LossScale
}

/// The gradient of a step in half precision.
final class HalfGradient {
  private let type: StoredGradients.ElementType
  // Only one of the two has elements.
  private var bfloat16: ParameterVector<BFloat16>
  #if !(os(macOS) && arch(x86_64))
    private var float16: ParameterVector<Float16>
  #endif

  init(_ type: StoredGradients.ElementType, _ layout: ParameterLayout) throws(MomentumError) {
    self.type = type
    let none = try ParameterLayout(count: 0)
    bfloat16 = try ParameterVector(type == .bf16 ? layout : none)
    #if !(os(macOS) && arch(x86_64))
      float16 = try ParameterVector(type == .f16 ? layout : none)
    #endif
  }

  /// Takes a step with a gradient that is multiplied by the loss scale, as that of a scaled loss is, and rounded to nearest.
  func step(
    _ optimizer: inout Optimizer<Float>, _ parameters: inout ParameterVector<Float>,
    gradients: borrowing ParameterVector<Float>
  ) throws(MomentumError) -> StepReport {
    let scale = Float(optimizer.lossScale.current)
    #if !(os(macOS) && arch(x86_64))
      if type == .f16 {
        for index in 0..<float16.count { float16[index] = Float16(scale * gradients[index]) }
        return try optimizer.step(&parameters, gradients: float16)
      }
    #endif
    for index in 0..<bfloat16.count { bfloat16[index] = BFloat16(scale * gradients[index]) }
    return try optimizer.step(&parameters, gradients: bfloat16)
  }
}

extension StoredGradients {
  /// What happens to gradients, in words.
  var words: String {
    let rounded = "rounded to \(type == .bf16 ? "BFloat16" : "Float16")"
    guard lossScale != .none else { return rounded }
    let scale = Int(exactly: lossScale.current).map { "\($0)" } ?? "\(lossScale.current)"
    return "multiplied by a loss scale \(lossScale.growth == nil ? "of" : "that starts at") \(scale) and \(rounded)"
  }
}
