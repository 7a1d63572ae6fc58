import Momentum

// Clips and limits, near the norms that they are compared with.
extension Random {
  private mutating func drawType() -> NormType {
    weighted([
      (0.62, .l2), (0.08, .l1), (0.09, .infinity), (0.07, .p(3)), (0.07, .p(2.5)), (0.02, .p(2)), (0.02, .p(1)),
      (0.02, .p(0.5)), (0.01, .p(.infinity)),
    ])
  }

  /// A limit about as large as a norm of that size.
  private mutating func drawLimit(_ size: Double) -> Double {
    weighted([
      (0.75, size * logUniform(0.05, 4)), (0.15, size * logUniform(1e-4, 1e3)), (0.04, 0), (0.05, .infinity),
      (0.01, logUniform(1e-200, 1e200)),
    ])
  }

  private mutating func drawValue(_ frame: Frame) -> ClosedRange<Double> {
    let x = frame.scale * logUniform(0.1, 5)
    return switch below(12) {
    case 0: -x...(.infinity)
    case 1: (-.infinity)...x / 2
    case 2: 0...0
    case 3: -x / 3...x
    case 4: x / 4...x
    case 5: -.infinity ... .infinity
    default: -x...x
    }
  }

  /// - Parameter like: The measure that a group has to share.
  mutating func drawClip(
    _ convention: Convention, _ frame: Frame, like: ClipSpec? = nil, onePass: Bool
  ) -> ClipSpec {
    var clip = ClipSpec()
    (clip.type, clip.algorithm) = like.map { ($0.type, $0.algorithm) } ?? (drawType(), chance(0.2) ? .portable : .blas)
    if onePass {
      clip.type = .l2
      if chance(0.9) { clip.whole = .norm(drawLimit(frame.norm)) }
      return clip
    }
    var (byValue, byTensor, byWhole) = (chance(0.3), chance(0.45), chance(0.6))
    if convention == .keras {
      // That convention refuses more than one kind.
      let only = below(4)
      (byValue, byTensor, byWhole) = (only == 0, only == 1, only >= 2)
    }
    if byValue { clip.value = drawValue(frame) }
    if byTensor { clip.tensor = drawTensorLimit(clip, frame) }
    if byWhole {
      clip.whole =
        like == nil && chance(0.25)
        ? .target(frame.norm * logUniform(0.01, 100)) : .norm(drawLimit(frame.norm * logUniform(0.3, 1)))
    }
    // The number of elements that are not 0 is no norm that can be limited, but it can be measured.
    if like == nil, clip.tensor == nil, clip.whole == nil || clip.whole == .norm(.infinity), chance(0.1) {
      clip.whole = .norm(.infinity)
      clip.type = .p(0)
    }
    return clip
  }

  private mutating func drawTensorLimit(_ clip: ClipSpec, _ frame: Frame) -> GradientClipping.TensorLimit {
    let size = frame.norm / Double(frame.shapes.count).squareRoot()
    guard clip.type == .l2 else { return .norm(drawLimit(size)) }
    if chance(0.3) { return .rootMeanSquare(drawLimit(frame.scale)) }
    guard clip.algorithm == .blas else { return .norm(drawLimit(size)) }
    let units = chance(0.55) ? drawUnits(frame) : .tensor
    if units == .tensor { return chance(0.2) ? .unitNorm(drawLimit(size), units) : .norm(drawLimit(size)) }
    return .unitNorm(drawLimit(frame.scale * logUniform(1, 60)), units)
  }

  mutating func drawAdaptive(_ frame: Frame) -> AdaptiveLimit {
    switch below(3) {
    case 0:
      let percentile = pick([10, 50, 0, 100, unit() * 100])
      return .autoClip(try! AutoClip(percentile: percentile, window: pick([1, 2, 5, 20, 10_000])))  // all valid
    case 1:
      return .zClip(
        try! ZClip(  // all valid
          threshold: pick([2.5, 0.5, 1, unit() + 0.1]), decay: pick([0.97, 0.5, 0, 1]), warmUp: within(1...6),
          mode: pick(ZClip.Mode.allCases), maximum: chance(0.3) ? frame.norm * logUniform(0.3, 10) : nil,
          ignoresSpikes: chance(0.3)))
    default:
      let window = within(3...9)
      let deviations = chance(0.75) ? Double(window - 1).squareRoot() * (0.4 + unit() * 0.55) : nil
      let limit = deviations == nil || chance(0.3) ? frame.norm * logUniform(0.5, 30) : nil
      return .spikeSkipping(try! SpikeSkipping(deviations: deviations, window: window, limit: limit))  // all valid
    }
  }
}
